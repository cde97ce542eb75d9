"""Device classes: devices that take the same updates share one.

A class is made of what the agent reports: its contract model and the values of the properties that
it names in `compatPropertyNames`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shared.contract.compatibility import unmet

DEFAULT_PROPERTY_NAMES = "manufacturer,model"
MAX_PROPERTIES = 5
MAX_NAME_LENGTH = 32
MAX_VALUE_LENGTH = 64


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """What devices of one class have in common.

    `class_id` is the hexadecimal SHA-1 over the contract model and the sorted properties.
    """

    class_id: str
    contract_model_id: str
    properties: Mapping[str, str]


def device_class_of(agent: Mapping[str, Any]) -> DeviceClass | None:
    """The class of a device from its reported `agent` section; None while it has not reported one.

    A property that is named but missing, or that no import manifest could ever match because it
    is not a short string, keeps the device without a class.
    """
    reported = agent.get("deviceProperties")
    if not isinstance(reported, Mapping):
        return None
    names = agent.get("compatPropertyNames") or DEFAULT_PROPERTY_NAMES
    if not isinstance(names, str):
        return None
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    properties = {name: reported.get(name) for name in wanted}
    if not 1 <= len(properties) <= MAX_PROPERTIES or not all(
        len(name) <= MAX_NAME_LENGTH
        and isinstance(value, str)
        and 0 < len(value) <= MAX_VALUE_LENGTH
        for name, value in properties.items()
    ):
        return None
    model = reported.get("contractModelId")
    return make_device_class(
        model if isinstance(model, str) else "",
        {name: str(value) for name, value in properties.items()},
    )


def make_device_class(contract_model_id: str, properties: Mapping[str, str]) -> DeviceClass:
    """The class with these properties, with its id."""
    return _device_class(contract_model_id, tuple(sorted(properties.items())))


@lru_cache(maxsize=1024)
def _device_class(contract_model_id: str, properties: tuple[tuple[str, str], ...]) -> DeviceClass:
    """The class; every change of a device asks for it, and a fleet has few."""
    ordered = dict(properties)
    text = json.dumps([contract_model_id, ordered], ensure_ascii=False, separators=(",", ":"))
    class_id = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return DeviceClass(class_id, contract_model_id, ordered)


def is_compatible(
    compatibility: Sequence[Mapping[str, str]], properties: Mapping[str, str]
) -> bool:
    """Whether any compatibility set of an update fits a class: all its pairs are among the
    class's.
    """
    return any(not unmet(wanted, properties) for wanted in compatibility if wanted)
