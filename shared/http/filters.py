"""The filters and orders that each list operation takes; nothing else is accepted.

Field names are matched without regard to case, values with it. Every function here raises
`InvalidInput` with the parameter as its target.

    updates, versions   isDeployable eq true|false
    operations          status eq 'NotStarted' or status eq 'Running'
    device classes      friendlyName eq '...'
    devices             groupId eq '...' [and deploymentStatus eq '<state>'|null]
                        deviceClassId eq '...'
    subgroups           compatProperties/NAME eq '...' [and ...]
    device states       deviceId eq '...' [and moduleId eq '...'] [and deviceState eq '<state>']
                        deviceState eq '<state>'
    device health       state eq 'unhealthy'
                        deviceId eq '...' [and moduleId eq '...']
    groups, orderby     one of `GroupOrder`, then asc or desc or nothing
    deployments, orderby    startDateTime, then asc or desc or nothing

The comparisons of an `and` may stand in any order.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.queries import (
    DeviceFilter,
    DeviceStateFilter,
    GroupOrder,
    GroupOrdering,
    HealthFilter,
)
from shared.http.filter_syntax import MAX_LENGTH, Comparison, Value, malformed, parse_filter

_PROPERTY = "compatProperties/"
_STATES = ", ".join(f"'{state}'" for state in DeviceState)


class FilterFields:
    """The comparisons of a filter that are joined by `and`, taken one after the other."""

    def __init__(self, text: str, *allowed: str) -> None:
        found = parse_filter(text)
        if found.connective == "or":
            raise malformed(f"takes no 'or'; allowed: {', '.join(allowed)}")
        self._allowed = {name.lower(): name for name in allowed}
        self._left: dict[str, Comparison] = {}
        for item in found.comparisons:
            name = item.field.lower()
            if name not in self._allowed:
                raise malformed(
                    f"has an unknown field at position {item.position}; "
                    f"allowed: {', '.join(allowed)}"
                )
            if name in self._left:
                raise malformed(f"names '{self._allowed[name]}' twice, at {item.position} again")
            self._left[name] = item

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._left

    def value(self, name: str) -> Value:
        """The value compared with; the field must be there."""
        return self._left[name.lower()].value

    def text(self, name: str) -> str | None:
        """The string compared with; None if the filter lacks the field."""
        if name not in self:
            return None
        item = self._left[name.lower()]
        if not isinstance(item.value, str) or not item.value:
            raise malformed(f"compares '{name}' at position {item.position} with no string")
        return item.value

    def state(self, name: str) -> DeviceState | None:
        """The device state compared with; None if the filter lacks the field."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return DeviceState(text)
        except ValueError:
            raise malformed(f"compares '{name}' with something else than {_STATES}") from None

    def requires(self, name: str, other: str) -> None:
        """Refuse one field without another."""
        if name in self and other not in self:
            raise malformed(f"has '{name}' without '{other}'")


def is_deployable_of(text: str | None) -> bool | None:
    """The filter of updates and versions: deployable ones, others, or all (None)."""
    if text is None:
        return None
    value = FilterFields(text, "isDeployable").value("isDeployable")
    if not isinstance(value, bool):
        raise malformed("compares 'isDeployable' with something else than true or false")
    return value


def is_running_of(text: str | None) -> bool:
    """The filter of operations: whether only those that have not ended are asked for."""
    if text is None:
        return False
    found = parse_filter(text)
    values = [item.value for item in found.comparisons if item.field.lower() == "status"]
    wanted = ["NotStarted", "Running"]
    if (
        found.connective != "or"
        or len(found.comparisons) != 2
        or sorted(map(str, values)) != wanted
    ):
        raise malformed("must be: status eq 'NotStarted' or status eq 'Running'")
    return True


def friendly_name_of(text: str | None) -> str | None:
    """The filter of device classes."""
    return None if text is None else FilterFields(text, "friendlyName").text("friendlyName")


def device_filter(text: str | None) -> DeviceFilter:
    """The filter of devices."""
    if text is None:
        return DeviceFilter()
    fields = FilterFields(text, "groupId", "deviceClassId", "deploymentStatus")
    fields.requires("deploymentStatus", "groupId")
    if "deviceClassId" in fields and "groupId" in fields:
        raise malformed("takes either 'groupId' or 'deviceClassId'")
    never = "deploymentStatus" in fields and fields.value("deploymentStatus") is None
    return DeviceFilter(
        group=fields.text("groupId"),
        class_id=fields.text("deviceClassId"),
        state=None if never else fields.state("deploymentStatus"),
        never_deployed=never,
    )


def properties_of(text: str | None) -> Mapping[str, str]:
    """The filter of a group's subgroups: compatibility properties and the values they must have."""
    if text is None:
        return {}
    found = parse_filter(text)
    if found.connective == "or":
        raise malformed("takes no 'or'; allowed: compatProperties/NAME joined by 'and'")
    properties: dict[str, str] = {}
    for item in found.comparisons:
        name = item.field[len(_PROPERTY) :]
        if not item.field.lower().startswith(_PROPERTY.lower()) or not name:
            raise malformed(
                f"has an unknown field at position {item.position}; allowed: {_PROPERTY}NAME"
            )
        if not isinstance(item.value, str):
            raise malformed(f"compares '{_PROPERTY}NAME' at {item.position} with no string")
        if properties.setdefault(name, item.value) != item.value:
            raise malformed(f"asks for two values of one property at position {item.position}")
    return properties


def device_state_filter(text: str | None) -> DeviceStateFilter:
    """The filter of the devices of a deployment."""
    if text is None:
        return DeviceStateFilter()
    fields = FilterFields(text, "deviceId", "moduleId", "deviceState")
    fields.requires("moduleId", "deviceId")
    return DeviceStateFilter(
        fields.text("deviceId"), fields.text("moduleId"), fields.state("deviceState")
    )


def health_filter(text: str | None) -> HealthFilter:
    """The filter of device health, which must be given."""
    if text is None:
        raise malformed("is required: state eq 'unhealthy', or deviceId eq '...'")
    fields = FilterFields(text, "state", "deviceId", "moduleId")
    fields.requires("moduleId", "deviceId")
    state = fields.text("state")
    if state is not None and (state != "unhealthy" or "deviceId" in fields):
        raise malformed("takes 'state' only by itself and as: state eq 'unhealthy'")
    return HealthFilter(fields.text("deviceId"), fields.text("moduleId"))


def group_ordering(text: str | None) -> GroupOrdering:
    """The order of groups; by id unless asked otherwise."""
    if text is None:
        return GroupOrdering()
    name, is_descending = _order(text, tuple(GroupOrder))
    return GroupOrdering(GroupOrder(name), is_descending)


def is_newest_first(text: str | None) -> bool | None:
    """The order of deployments by their start; None if none is asked for."""
    return None if text is None else _order(text, ("startDateTime",))[1]


def _order(text: str, allowed: tuple[str, ...]) -> tuple[str, bool]:
    words = text.lower().split(" ") if len(text) <= MAX_LENGTH else []
    words = [word for word in words if word]
    names = {name.lower(): str(name) for name in allowed}
    if (
        len(words) not in (1, 2)
        or words[0] not in names
        or words[1:] not in ([], ["asc"], ["desc"])
    ):
        raise InvalidInput(
            f"The order must be one of {', '.join(names.values())}, "
            "followed by asc, desc or nothing.",
            target="orderby",
        )
    return names[words[0]], words[1:] == ["desc"]
