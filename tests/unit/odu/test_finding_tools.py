from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.odu.bootstrap import load_odu, program

if TYPE_CHECKING:
    from pathlib import Path

odu = load_odu()
REAL = "echo '3.13 /real/python3.13'"
BROKEN_SHIM = "echo 'pyenv: python3.13: command not found' >&2; exit 127"


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home"), **more}


def test_find_python_returns_the_executable_behind_the_name(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", REAL)

    assert odu.find_python(environment(tmp_path)) == "/real/python3.13"


def test_find_python_passes_over_a_shim_that_fails_when_run(tmp_path: Path) -> None:
    program(tmp_path / "shims/python3.13", BROKEN_SHIM)
    program(tmp_path / "bin/python3.13", REAL)
    path = f"{tmp_path / 'shims'}:{tmp_path / 'bin'}"

    assert odu.find_python(environment(tmp_path, PATH=path)) == "/real/python3.13"


def test_find_python_takes_the_newest_of_pyenv_when_path_has_none(tmp_path: Path) -> None:
    for version in ("3.13.2", "3.13.10", "3.12.1"):
        name = tmp_path / f"home/.pyenv/versions/{version}/bin/python3.13"
        program(name, f"echo '3.13 /pyenv/{version}'")

    assert odu.find_python(environment(tmp_path)) == "/pyenv/3.13.10"


def test_find_python_asks_uv_last(tmp_path: Path) -> None:
    found = program(tmp_path / "uv-python", REAL)
    program(tmp_path / "bin/uv", f'[ "$*" = "python find 3.13" ] && echo {found}')

    assert odu.find_python(environment(tmp_path)) == "/real/python3.13"


def test_find_python_takes_the_one_in_odu_python_alone(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", REAL)
    chosen = program(tmp_path / "chosen", "echo '3.12 /real/python3.12'")

    with pytest.raises(odu.Missing, match=r"ODU_PYTHON=.*chosen is not a Python 3\.13"):
        odu.find_python(environment(tmp_path, ODU_PYTHON=str(chosen)))


def test_find_python_refuses_one_that_cannot_make_environments(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", "echo 'No module named ensurepip' >&2; exit 1")

    with pytest.raises(odu.Missing, match=r"apt-get install python3\.13 python3\.13-venv"):
        odu.find_python(environment(tmp_path))


def test_find_node_returns_node_and_the_npm_beside_it(tmp_path: Path) -> None:
    node = program(tmp_path / "bin/node", "echo v22.1.0")
    npm = program(tmp_path / "bin/npm", "")

    assert odu.find_node(environment(tmp_path)) == (str(node), str(npm))


def test_find_node_passes_over_an_old_one_for_that_of_nvm(tmp_path: Path) -> None:
    program(tmp_path / "bin/node", "echo v18.20.0")
    program(tmp_path / "bin/npm", "")
    for version in ("v20.9.0", "v20.11.1"):
        program(tmp_path / f"home/.nvm/versions/node/{version}/bin/node", f"echo {version}")
        program(tmp_path / f"home/.nvm/versions/node/{version}/bin/npm", "")

    node, npm = odu.find_node(environment(tmp_path))

    assert node.endswith("v20.11.1/bin/node")
    assert npm.endswith("v20.11.1/bin/npm")


def test_find_node_names_npm_when_only_that_is_missing(tmp_path: Path) -> None:
    program(tmp_path / "bin/node", "echo v20.1.0")

    with pytest.raises(odu.Missing, match=r"npm was not found for .*bin/node"):
        odu.find_node(environment(tmp_path))


def test_find_tools_names_everything_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(odu.Missing) as caught:
        odu.find_tools(environment(tmp_path))

    assert "Python 3.13" in str(caught.value)
    assert "Node.js 20" in str(caught.value)


def test_apt_prefix_is_sudo_when_it_asks_for_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odu.os, "geteuid", lambda: 1000)
    program(tmp_path / "bin/apt-get", "")
    sudo = program(tmp_path / "bin/sudo", '[ "$1" = -n ]')

    assert odu.apt_prefix(environment(tmp_path)) == [str(sudo), "-n"]


@pytest.mark.parametrize("has_sudo", [True, False])
def test_ensure_packages_says_what_to_install_when_it_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_sudo: bool
) -> None:
    monkeypatch.setattr(odu.os, "geteuid", lambda: 1000)
    program(tmp_path / "bin/apt-get", "")
    if has_sudo:
        program(tmp_path / "bin/sudo", "exit 1")
    packages = (odu.SystemPackage("a-scanner", "scan"), odu.SystemPackage("a-browser", "browse"))

    with pytest.raises(odu.Missing, match=r"sudo apt-get install a-scanner a-browser$"):
        odu.ensure_packages(packages, environment(tmp_path))


def test_ensure_packages_installs_what_is_missing_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odu.os, "geteuid", lambda: 0)
    program(tmp_path / "bin/apt-get", f'echo "$*" >> {tmp_path}/calls')
    program(tmp_path / "bin/scan", "")
    packages = (odu.SystemPackage("a-scanner", "scan"), odu.SystemPackage("a-browser", "browse"))

    odu.ensure_packages(packages, environment(tmp_path))

    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["update", "install -y --no-install-recommends a-browser"]


def test_ensure_packages_does_nothing_when_all_are_there(tmp_path: Path) -> None:
    program(tmp_path / "bin/apt-get", f"touch {tmp_path}/called")
    program(tmp_path / "bin/scan", "")

    odu.ensure_packages((odu.SystemPackage("a-scanner", "scan"),), environment(tmp_path))

    assert not (tmp_path / "called").exists()


def test_packages_may_be_told_by_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "keys.gpg").touch()
    packages = tuple(
        odu.SystemPackage(name, str(tmp_path / f"{name}.gpg")) for name in ("keys", "locks")
    )

    assert odu.missing_packages(packages, environment(tmp_path)) == ["locks"]
