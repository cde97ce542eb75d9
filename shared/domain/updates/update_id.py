"""The identity of an update: provider, name and version, with the order of versions.

Two spellings of one version (`1.02` and `1.2`) are one identity: an `UpdateId` holds the canonical
spelling, so equality, hashing, storage keys and the order always agree. `1.2` and `1.2.0` are
different versions, the shorter being the older.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, total_ordering

from shared.domain.errors import InvalidInput

MAX_NAME_LENGTH = 64
MAX_VERSION_LENGTH = 64
MAX_VERSION_PART = 2_147_483_647

_NAME = re.compile(r"[a-zA-Z0-9.-]{1,64}")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+){1,3}")
_FIELDS = ("provider", "name", "version")


@dataclass(frozen=True, slots=True)
class Family:
    """What the versions of one update have in common."""

    provider: str
    name: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


@total_ordering
@dataclass(frozen=True, slots=True)
class UpdateId:
    """Provider, name and canonical version of one update.

    Ordered by provider, then name, then numerically by version.

    Raises:
        InvalidInput: A part breaks the rules of the import manifest schema; every broken part is in
            `details`, its `target` a JSON pointer relative to the update id.
    """

    provider: str
    name: str
    version: str

    def __post_init__(self) -> None:
        version = _canonical_version(self.provider, self.name, self.version)
        object.__setattr__(self, "version", version)

    @classmethod
    def parse(cls, value: object) -> UpdateId:
        """Build an id from its JSON object; fields that the contract does not know are refused."""
        violations = update_id_violations(value)
        if violations:
            raise _invalid(violations)
        assert isinstance(value, Mapping)
        return cls(value["provider"], value["name"], value["version"])

    @property
    def family(self) -> Family:
        """Provider and name."""
        return Family(self.provider, self.name)

    @property
    def version_key(self) -> tuple[int, ...]:
        """The version as numbers, for comparing."""
        return version_key(self.version)

    @property
    def path(self) -> str:
        """Where the API has it, below an instance."""
        return f"updates/providers/{self.provider}/names/{self.name}/versions/{self.version}"

    def to_wire(self) -> dict[str, str]:
        """Return the id as the JSON object of the REST API and the manifests."""
        return {"provider": self.provider, "name": self.name, "version": self.version}

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, UpdateId):
            return NotImplemented
        return self._order() < other._order()

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}/{self.version}"

    def _order(self) -> tuple[str, str, tuple[int, ...]]:
        return self.provider, self.name, self.version_key


@lru_cache(maxsize=1024)
def _canonical_version(provider: str, name: str, version: str) -> str:
    """The version without leading zeros, of a valid id; every row of a device names some again."""
    violations = update_id_violations({"provider": provider, "name": name, "version": version})
    if violations:
        raise _invalid(violations)
    return ".".join(map(str, version_key(version)))


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a valid version; leading zeros count for nothing."""
    return tuple(map(int, version.split(".")))


def update_id_violations(value: object, pointer: str = "") -> tuple[InvalidInput, ...]:
    """List what is wrong with the JSON object of an update id that stands at `pointer`."""
    if not isinstance(value, Mapping):
        return (_violation(pointer, "must be an object with provider, name and version"),)
    found = [
        _violation(pointer, f"unknown field {field!r}") for field in value if field not in _FIELDS
    ]
    for field in _FIELDS:
        reason = _part_violation(field, value.get(field))
        if reason:
            found.append(_violation(f"{pointer}/{field}", reason))
    return tuple(found)


def _part_violation(field: str, part: object) -> str | None:
    if not isinstance(part, str):
        return "is required and must be a string"
    if field == "version":
        return _version_violation(part)
    if not _NAME.fullmatch(part):
        return f"must be 1 to {MAX_NAME_LENGTH} letters, digits, dots or hyphens"
    if not part.strip("."):
        return "must not consist of dots alone, for no URL could name it"
    return None


def _version_violation(version: str) -> str | None:
    if len(version) > MAX_VERSION_LENGTH or not _VERSION.fullmatch(version):
        return "must be 2 to 4 numbers joined by dots"
    if any(part > MAX_VERSION_PART for part in version_key(version)):
        return f"must have no part above {MAX_VERSION_PART}"
    return None


def _violation(target: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{target or 'update id'}: {reason}", target=target)


def _invalid(violations: tuple[InvalidInput, ...]) -> InvalidInput:
    reasons = "; ".join(violation.message for violation in violations)
    return InvalidInput(
        f"The update id is not valid: {reasons}.", target="updateId", details=violations
    )
