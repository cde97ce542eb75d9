"""apt and dpkg of one root: of this system, or of a folder that holds another one.

For another root nothing of this system's is read or changed: apt gets a configuration of its own
that moves all its folders, and dpkg that root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..processes import Completed, Program, run, search_path

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

_QUERY = "\\t".join(
    "${%s}" % name  # noqa: UP031 - the braces are dpkg's
    for name in (
        "Package",
        "Architecture",
        "Version",
        "db:Status-Want",
        "db:Status-Status",
        "db:Status-Eflag",
    )
)
_FOLDERS = (
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/apt/trusted.gpg.d",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg/info",
    "var/lib/dpkg/updates",
    "var/lib/dpkg/triggers",
    "var/log/apt",
)
_QUERY_SECONDS = 120


@dataclass(frozen=True)
class PackageState:
    """What dpkg says of one package; `status` is its word, `installed` say."""

    name: str
    architecture: str
    version: str
    status: str
    is_held: bool = False
    is_broken: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether it is unpacked, configured and whole."""
        return self.status == "installed" and not self.is_broken

    @property
    def is_absent(self) -> bool:
        """Whether it is not there, but for configuration files."""
        return self.status in ("not-installed", "config-files")

    @property
    def is_settled(self) -> bool:
        """Whether dpkg has nothing left to do about it."""
        return self.is_installed or (self.is_absent and not self.is_broken)


@dataclass(frozen=True)
class AptSystem:
    """The package system of a root.

    Attributes:
        root: `/` for this system.
        folder: For the configuration that another root needs.
        seconds: Most that one run of apt may take.
        patience_seconds: How long a running dpkg may go on after a cancel before it is ended.
        lock_seconds: How long another program may hold the package system.
    """

    root: Path
    folder: Path
    seconds: float = 3600
    patience_seconds: float = 120
    lock_seconds: int = 600
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether the root is this very system."""
        return self.root.resolve() == Path("/")

    def packages(self) -> dict[str, PackageState]:
        """All that dpkg knows, by name and by name:architecture; of two the native one counts."""
        native = self._dpkg(["--print-architecture"], program="dpkg").output.strip()
        found: dict[str, PackageState] = {}
        lines: list[str] = []
        self._dpkg(["--showformat", _QUERY + "\\n", "--show"], on_line=lines.append)
        for line in lines:
            parts = line.split("\t")
            if len(parts) != 6:
                continue
            name, architecture, version, want, status, flag = parts
            state = PackageState(
                name, architecture, version, status, want == "hold", flag not in ("ok", "")
            )
            found[f"{name}:{architecture}"] = state
            if name not in found or architecture in (native, "all"):
                found[name] = state
        return found

    def is_at_least(self, version: str, other: str) -> bool:
        """Whether a version is the other or a later one, as dpkg orders them."""
        arguments = ["--compare-versions", version, "ge", other]
        return self._dpkg(arguments, program="dpkg").is_success

    def unsettled(self) -> list[PackageState]:
        """The packages that dpkg left between two states, by a power cut say."""
        states = {id(state): state for state in self.packages().values()}
        return [state for state in states.values() if not state.is_settled]

    def is_interrupted(self) -> bool:
        """Whether dpkg has not put away its journal, so that apt would refuse to do anything."""
        updates = self.root / "var/lib/dpkg/updates"
        return updates.is_dir() and any(path.name.isdecimal() for path in updates.iterdir())

    def refresh(self, cancelled: threading.Event) -> Completed:
        """Fetch the lists of packages."""
        return self._apt(["update"], cancelled)

    def fetch(
        self, arguments: Sequence[str], cancelled: threading.Event, *, allow_downgrade: bool
    ) -> Completed:
        """Fetch packages without installing any."""
        options = ["--download-only", *_downgrade(allow_downgrade)]
        return self._apt(["install", *options, "--", *arguments], cancelled)

    def install(
        self,
        arguments: Sequence[str],
        cancelled: threading.Event | None,
        *,
        allow_downgrade: bool,
        on_status: Callable[[str], None] | None = None,
    ) -> Completed:
        """Install, upgrade and remove packages; configuration files that were changed are kept."""
        command = ["install", *_downgrade(allow_downgrade), "--", *arguments]
        patience = self.patience_seconds
        return self._apt(command, cancelled, patience=patience, on_status=on_status)

    def configure(self) -> Completed:
        """Have dpkg finish what it was interrupted in."""
        options = [*self._dpkg_options(), "--force-confdef", "--force-confold"]
        return self._run(["dpkg", *options, "--configure", "-a"], None, patience=0)

    def mend(self) -> Completed:
        """Have apt repair what dependencies are broken."""
        return self._apt(["install", "--fix-broken"], None)

    def reinstall(self, argument: str) -> Completed:
        """Unpack and configure a package anew, though it may be there."""
        return self._apt(["install", "--reinstall", "--allow-downgrades", "--", argument], None)

    def wants_reboot(self) -> bool:
        """Whether a package has asked for a reboot."""
        return (self.root / "run/reboot-required").exists()

    def _apt(
        self,
        command: Sequence[str],
        cancelled: threading.Event | None,
        *,
        patience: float = 0,
        on_status: Callable[[str], None] | None = None,
    ) -> Completed:
        self._prepare()
        options = [] if on_status is None else ["-o", "APT::Status-Fd={status}"]
        arguments = ["apt-get", "--yes", "--quiet", *options, *command]
        return self._run(arguments, cancelled, patience=patience, on_status=on_status)

    def _run(
        self,
        arguments: Sequence[str],
        cancelled: threading.Event | None,
        *,
        patience: float,
        on_status: Callable[[str], None] | None = None,
    ) -> Completed:
        program = Program(
            arguments=arguments,
            environment=self._environment(),
            folder=self.folder,
            seconds=self.seconds,
            patience_seconds=patience,
            leaves_services=True,
            status=on_status,
        )
        return run(program, cancelled)

    def _dpkg(
        self,
        arguments: Sequence[str],
        program: str = "dpkg-query",
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        command = [program, f"--admindir={self.root / 'var/lib/dpkg'}", *arguments]
        environment, folder = self._environment(), self.folder
        return run(Program(command, environment, folder, _QUERY_SECONDS, on_line=on_line))

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": search_path(),
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "APT_LISTCHANGES_FRONTEND": "none",
            "NEEDRESTART_MODE": "l",
            "ODU_AGENT_IS_UPDATING": "1",
            "APT_CONFIG": str(self.folder / "apt.conf"),
            **self.environment,
        }

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.is_own:
            for name in _FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            status = self.root / "var/lib/dpkg/status"
            status.touch()
        lines = [f"{name} {_quoted(value)};" for name, value in self._configuration()]
        (self.folder / "apt.conf").write_text("\n".join(lines) + "\n", "utf-8")

    def _configuration(self) -> list[tuple[str, str]]:
        settings = [
            ("Dpkg::Use-Pty", "0"),
            ("APT::Cmd::Pattern-Only", "true"),
            ("DPkg::Lock::Timeout", str(self.lock_seconds)),
            ("DPkg::Options::", "--force-confdef"),
            ("DPkg::Options::", "--force-confold"),
        ]
        settings += [("DPkg::Options::", option) for option in self._dpkg_options()]
        if not self.is_own:
            status = self.root / "var/lib/dpkg/status"
            settings += [
                ("Dir", str(self.root)),
                ("Dir::State::status", str(status)),
                ("APT::Sandbox::User", "root"),
            ]
        return settings

    def _dpkg_options(self) -> list[str]:
        if self.is_own:
            return []
        options = [f"--root={self.root}"]
        is_root_user = os.geteuid() == 0
        if not is_root_user:
            options.append("--force-not-root")
        if not is_root_user or not (self.root / "bin/sh").exists():
            # Who cannot enter the root runs maintainer scripts outside it, with DPKG_ROOT set.
            options.append("--force-script-chrootless")
        return options


def _downgrade(is_allowed: bool) -> list[str]:
    return ["--allow-downgrades"] if is_allowed else []


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "%22") + '"'
