"""The desired section of the twin, kept whole on the device.

The client hands over the whole section at every connect and only the changed part otherwise, and
may repeat either. This module folds them into one value and tells what is news.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .contract.twin import DEVICE_UPDATE, SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping


class News(Enum):
    """What a received section means."""

    NOTHING = "nothing"
    SERVICE = "service"
    GAP = "gap"
    """Changes were missed: fetch the twin."""


@dataclass
class DesiredSection:
    """The section as known so far; `version` is its `$version`."""

    version: int | None = None
    properties: Mapping[str, Any] | None = None

    def receive(self, section: Any) -> News:
        """Take over a whole section (it has `$metadata`) or a patch.

        A section without a numeric `$version` is ignored.
        """
        if isinstance(section, dict) and "$metadata" not in section and self.version is not None:
            return self._patch(section)
        return self.receive_whole(section)

    def receive_whole(self, section: Any) -> News:
        """Take over a whole section, whatever its version was: a device may be made anew."""
        version = _version(section)
        if version is None or version == self.version:
            return News.NOTHING
        self.version, self.properties = version, section
        return News.SERVICE if self.service is not None else News.NOTHING

    @property
    def service(self) -> Any:
        """The `service` value of the update component, None where there is none."""
        return self.service_of(DEVICE_UPDATE)

    def service_of(self, name: str) -> Any:
        """The `service` value of a component, None where there is none."""
        component = (self.properties or {}).get(name)
        return component.get(SERVICE) if isinstance(component, dict) else None

    def _patch(self, patch: dict[str, Any]) -> News:
        version, known = _version(patch), self.version or 0
        if version is None or version <= known:
            return News.NOTHING
        if version > known + 1:
            return News.GAP
        self.version, self.properties = version, merge(self.properties or {}, patch)
        component = patch.get(DEVICE_UPDATE)
        touched = isinstance(component, dict) and component.get(SERVICE) is not None
        return News.SERVICE if touched else News.NOTHING


def merge(value: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7386) to an object."""
    merged = dict(value)
    for name, part in patch.items():
        old = merged.get(name)
        if part is None:
            merged.pop(name, None)
        elif isinstance(part, dict):
            merged[name] = merge(old if isinstance(old, dict) else {}, part)
        else:
            merged[name] = part
    return merged


def _version(section: Any) -> int | None:
    version = section.get("$version") if isinstance(section, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None
