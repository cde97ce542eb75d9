"""Which devices an update is for: sets of property values, of which one must fit.

`deviceManufacturer` and `deviceModel` are what import manifests called `manufacturer` and `model`
in the days of Device Update's first agents. Updates with the old names are still published, and
mean the same devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_OLD_NAMES = {"deviceManufacturer": "manufacturer", "deviceModel": "model"}


def in_new_names(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties under their present names; one that is there under both keeps the new one."""
    renamed = {_OLD_NAMES.get(name, name): value for name, value in properties.items()}
    return {**renamed, **{name: properties[name] for name in renamed if name in properties}}


def value_of(name: str, properties: Mapping[str, str]) -> str | None:
    """The value of a property, whichever of its names is used."""
    return in_new_names(properties).get(_OLD_NAMES.get(name, name))


def unmet(wanted: Mapping[str, str], properties: Mapping[str, str]) -> list[str]:
    """The names in a compatibility set whose values a device, or a class of them, does not have."""
    return [name for name, value in wanted.items() if value_of(name, properties) != value]
