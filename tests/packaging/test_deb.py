"""The agent's Debian package: built, lintian clean, installed, upgraded, run and purged.

It is installed for real, by dpkg with its maintainer scripts, into a copy-on-write view of this
machine's file system (overlayfs in a mount namespace), which is thrown away: nothing of the machine
changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_BUILD = ROOT / "agent" / "build_deb.py"
_STATE = ("/var/lib/odu-agent", "/var/lib/odu-agent-installer")


@dataclass(frozen=True, slots=True)
class View:
    """A view of the machine; what is changed in it lies in a folder of the test."""

    folder: Path

    def run(self, script: str, *, code: int = 0) -> str:
        """Run a shell script in it as root."""
        lower, upper, work, merged = "/", "upper", "work", "merged"
        for name in (upper, work, merged):
            (self.folder / name).mkdir(exist_ok=True)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mount = (
            f"set -e; cd {self.folder}; mount -t tmpfs none {merged};"
            f" mount -t overlay overlay -o {options} {merged};"
            f" mount --bind /proc {merged}/proc; mount --bind /dev {merged}/dev;"
            f' exec chroot {merged} /bin/sh -euc "$SCRIPT"'
        )
        done = subprocess.run(
            [*_root(), "unshare", "--mount", "sh", "-c", mount],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SCRIPT": script, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


def _root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "--non-interactive", "--preserve-env=SCRIPT"]


def _tool(name: str) -> str:
    program = shutil.which(name)
    assert program, f"{name} is missing: ./odu test installs it"
    return program


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _tool("dh")
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run(
        [sys.executable, str(_BUILD), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.deb")
    return built


def test_package_is_for_all_architectures_and_lintian_finds_nothing(package: Path) -> None:
    fields = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Architecture", "Depends"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = subprocess.run(
        [_tool("lintian"), "--fail-on=error,warning", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Architecture: all" in fields
    assert "python3-cryptography" in fields
    assert found.returncode == 0, found.stdout
    assert found.stdout == ""


def test_package_is_the_same_when_it_is_built_again(package: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(_BUILD), str(tmp_path)], capture_output=True, check=True)

    assert (tmp_path / package.name).read_bytes() == package.read_bytes()


def test_package_is_installed_upgraded_run_and_purged(package: Path, tmp_path: Path) -> None:
    view = View(tmp_path / "view")
    view.folder.mkdir()
    (view.folder / "upper" / "srv").mkdir(parents=True)
    shutil.copy(package, view.folder / "upper" / "srv" / "agent.deb")
    newer = _newer(package, tmp_path)
    shutil.copy(newer, view.folder / "upper" / "srv" / "newer.deb")

    view.run("dpkg --install /srv/agent.deb; id odu-agent; test -x /usr/bin/odu-agent")
    _check_units(view)
    missing = view.run("odu-agent check", code=2)
    view.run(_configure())
    listed = view.run("odu-agent check || true; odu-agent --version")
    view.run(
        "echo '{\"logComponents\": []}' > /etc/adu/du-diagnostics-config.json;"
        " mkdir -p /var/lib/odu-agent; echo state > /var/lib/odu-agent/state.json;"
        " dpkg --force-confold --install /srv/newer.deb;"
        " test -s /var/lib/odu-agent/state.json;"
        " grep -q '\"logComponents\": \\[\\]' /etc/adu/du-diagnostics-config.json;"
        " test \"$(stat -c '%U:%G %a' /etc/adu/du-config.json)\" = 'root:odu-agent 640';"
        " odu-agent --version | grep -q 0.1.0"
    )
    view.run("dpkg --remove odu-agent; test -d /var/lib/odu-agent; ! test -e /usr/bin/odu-agent")
    left = view.run(
        "dpkg --purge odu-agent; ls -d /usr/lib/odu-agent " + " ".join(_STATE) + " 2>&1 || true;"
        " ls /etc/adu; id odu-agent 2>&1 || true; dpkg-query -W odu-agent 2>&1 || true"
    )

    assert "/etc/adu/du-config.json cannot be read" in missing
    assert "ok    configuration: /etc/adu/du-config.json: toaster-01" in listed
    assert "ok    handlers" in listed or "FAULT installing half" in listed
    for path in ("/usr/lib/odu-agent", *_STATE):
        assert f"cannot access '{path}'" in left
    assert "du-config.json" in left, "what was written by hand stays"
    assert "no such user" in left
    assert "no packages found" in left


def _check_units(view: View) -> None:
    """As far as that can be told without a running systemd."""
    found = view.run(
        "systemd-analyze verify /lib/systemd/system/odu-agent.service"
        " /lib/systemd/system/odu-agent-installer.socket"
        " /lib/systemd/system/odu-agent-installer.service;"
        " systemd-analyze security --offline=true --no-pager odu-agent.service | tail -1"
    )
    exposure = float(found.split("odu-agent.service:")[1].split()[0])

    assert exposure < 2.0, found


def _configure() -> str:
    modulus = "sWm" + "A" * 339 + "E"
    keys = json.dumps({"ROOT.1": {"n": modulus, "e": 65537}})
    return (
        "sed -e 's/<hub>/hub/; s/<device>/toaster-01/; s/<key>/c2VjcmV0/'"
        " /usr/share/odu-agent/du-config.example.json > /etc/adu/du-config.json;"
        f" echo '{keys}' > /etc/adu/root-keys.json;"
        " sed -i 's/hub.azure-devices.net/127.0.0.1:9/' /etc/adu/du-config.json;"
        " chown root:odu-agent /etc/adu/*.json; chmod 640 /etc/adu/du-config.json"
    )


def _newer(package: Path, folder: Path) -> Path:
    """The same package as the next version."""
    content = folder / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(content)], check=True)
    control = content / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Version: 0.1.0", "Version: 0.1.1"))
    newer = folder / "newer.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(content), str(newer)],
        check=True,
        capture_output=True,
    )
    return newer
