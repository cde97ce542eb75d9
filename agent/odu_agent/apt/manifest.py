"""The APT manifest: the one file of a `microsoft/apt:1` step.

    {"name": "edge", "version": "1.2", "agentRestartRequired": false, "rebootRequired": false,
     "packages": [{"name": "libfoo", "version": "1.2-1"}, {"name": "oldthing-"}]}

A name that ends in `-` is removed. `rebootRequired` is this product's own. Names and versions are
held to Debian's alphabet, so that none of them can be an option, a pattern or a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..contract.codes import Erc
from ..contract.manifest import ManifestError
from ..contract.strictjson import loads_object

MAXIMUM_BYTES = 1024 * 1024
_MAXIMUM_PACKAGES = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}?(:[a-z0-9][a-z0-9-]{0,31}?)?")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+:~-]{0,255}")
_AGENTS = ("deviceupdate-agent", "odu-agent")


@dataclass(frozen=True)
class Package:
    """One package that is to be there (in that version, if one is named), or is to be gone."""

    name: str
    version: str | None = None
    is_removed: bool = False

    @property
    def argument(self) -> str:
        """As apt-get takes it."""
        if self.is_removed:
            return self.name + "-"
        return self.name + (f"={self.version}" if self.version else "")

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True)
class AptManifest:
    """All that one step asks for."""

    name: str
    version: str
    packages: tuple[Package, ...] = ()
    is_agent_restart_required: bool = False
    is_reboot_required: bool = False

    @property
    def restarts_agent(self) -> bool:
        """Whether the agent must start anew: asked for, or a package of it is concerned."""
        return self.is_agent_restart_required or any(
            package.name.startswith(_AGENTS) for package in self.packages
        )


def parse_apt_manifest(data: bytes) -> AptManifest:
    """Read an APT manifest.

    Raises:
        ManifestError: With 30000068: it is none, or names what is no Debian package.
    """
    if len(data) > MAXIMUM_BYTES:
        raise _malformed(f"it is larger than {MAXIMUM_BYTES} bytes")
    try:
        members = loads_object(data)
    except ValueError as error:
        raise _malformed(str(error)) from None
    return AptManifest(
        name=_text(members, "name"),
        version=_text(members, "version"),
        packages=_packages(members),
        is_agent_restart_required=_flag(members, "agentRestartRequired"),
        is_reboot_required=_flag(members, "rebootRequired"),
    )


def _malformed(reason: str) -> ManifestError:
    return ManifestError(Erc.HANDLER_DATA_MALFORMED, f"the APT manifest cannot be used: {reason}")


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed(f"{name} must be a non-empty string")
    return value


def _flag(members: dict[str, Any], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise _malformed(f"{name} must be true or false")
    return value


def _packages(members: dict[str, Any]) -> tuple[Package, ...]:
    entries = members.get("packages")
    if entries is None:
        return ()
    if not isinstance(entries, list) or not 0 < len(entries) <= _MAXIMUM_PACKAGES:
        raise _malformed(f"packages must hold 1 to {_MAXIMUM_PACKAGES} entries")
    packages = tuple(_package(index, entry) for index, entry in enumerate(entries))
    names = [package.name for package in packages]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _malformed(f"package {twice} stands twice in it")
    return packages


def _package(index: int, entry: Any) -> Package:
    members = entry if isinstance(entry, dict) else {}
    name, version = members.get("name"), members.get("version")
    if not isinstance(name, str):
        raise _malformed(f"packages[{index}] has no name")
    is_removed = name.endswith("-")
    plain = name[:-1] if is_removed else name
    if not _NAME.fullmatch(plain):
        raise _malformed(f"packages[{index}].name {name!r:.80} is no name of a package")
    if version is not None and not (isinstance(version, str) and _VERSION.fullmatch(version)):
        raise _malformed(f"packages[{index}].version {version!r:.80} is no version of a package")
    if is_removed and version is not None:
        raise _malformed(f"packages[{index}]: a package to remove has no version")
    return Package(plain, version, is_removed)
