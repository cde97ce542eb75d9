"""The filters and orders that each list operation takes; nothing else is accepted.

Field names are matched without regard to case, values with it. Every function here raises
`InvalidInput` with the parameter as its target.

    updates             see `update_filter`
    versions            isDeployable eq true|false
    updates, orderby    importedDateTime, then asc or desc or nothing
    log collections, orderby    createdDateTime, then asc or desc or nothing
    operations          status eq 'NotStarted' or status eq 'Running'
    device classes      friendlyName eq '...'
    devices             see `device_filter`
    subgroups           compatProperties/NAME eq '...' [and ...]
    device states       deviceId eq '...' [and moduleId eq '...'] [and deviceState eq '<state>']
                        deviceState eq '<state>'
    device health       state eq 'unhealthy'
                        deviceId eq '...' [and moduleId eq '...']
    log files           deviceId eq '...' [and moduleId eq '...']
    groups, orderby     one of `GroupOrder`, then asc or desc or nothing
    deployments, orderby    startDateTime, then asc or desc or nothing

The comparisons of an `and` may stand in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.queries import (
    Condition,
    DeviceFilter,
    DeviceStateFilter,
    GroupOrder,
    GroupOrdering,
    HealthFilter,
    LogFileFilter,
)
from shared.domain.instant import instant
from shared.domain.updates.update_filter import UpdateFilter
from shared.domain.updates.update_id import UpdateId
from shared.http.filter_syntax import (
    MAX_LENGTH,
    Comparison,
    Operator,
    Value,
    malformed,
    parse_filter,
)

_SHOWN = 64
"""Characters of a field's name that an error repeats."""
_CODE = re.compile(r"[0-9A-Fa-f]{8}")
_PROPERTY = "compatProperties/"
_STATES = ", ".join(f"'{state}'" for state in DeviceState)


class FilterFields:
    """The comparisons of a filter that are joined by `and`, taken one after the other."""

    def __init__(
        self, text: str, *allowed: str, others: Mapping[str, Operator] | None = None
    ) -> None:
        """Read a filter.

        Args:
            text: The filter.
            allowed: The fields that it may have.
            others: Those of them that are compared by something else than `eq`.
        """
        others = others or {}
        found = parse_filter(text, ("eq", *others.values()))
        if found.connective == "or":
            raise malformed(f"takes no 'or'; allowed: {', '.join(allowed)}")
        self._allowed = {name.lower(): name for name in allowed}
        self._left: dict[str, Comparison] = {}
        for item in found.comparisons:
            name = item.field.lower()
            if name not in self._allowed:
                raise malformed(
                    f"has an unknown field '{item.field[:_SHOWN]}' at position {item.position}; "
                    f"allowed: {', '.join(allowed)}"
                )
            operator = others.get(self._allowed[name], "eq")
            if item.operator != operator:
                raise malformed(
                    f"compares '{self._allowed[name]}' at position {item.position} by "
                    f"'{item.operator}': it takes '{operator}'"
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

    def flag(self, name: str) -> bool | None:
        """Whether the field must be true; None if the filter lacks it."""
        if name not in self:
            return None
        value = self.value(name)
        if not isinstance(value, bool):
            raise malformed(f"compares '{name}' with something else than true or false")
        return value

    def is_null(self, name: str) -> bool:
        """Whether the field is compared with null."""
        return name in self and self.value(name) is None

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
    """The filter of versions: deployable ones, others, or all (None)."""
    if text is None:
        return None
    value = FilterFields(text, "isDeployable").value("isDeployable")
    if not isinstance(value, bool):
        raise malformed("compares 'isDeployable' with something else than true or false")
    return value


UPDATE_FILTERS = (
    "isDeployable eq true",
    "isDeployable eq false",
    "provider eq '...'",
    "name eq '...'",
    "friendlyName eq '...'",
    "scanResult eq 'Success'",
    "recall ne null",
)
"""The comparisons that a filter of updates may join by `and`."""


def update_filter(text: str | None) -> UpdateFilter:
    """The filter of updates: `UPDATE_FILTERS`, each field once, joined by `and`."""
    if text is None:
        return UpdateFilter()
    fields = FilterFields(
        text,
        *("isDeployable", "provider", "name", "friendlyName", "scanResult", "recall"),
        others={"recall": "ne"},
    )
    if "recall" in fields and not fields.is_null("recall"):
        raise malformed("compares 'recall' with something else than null")
    return UpdateFilter(
        is_deployable=fields.flag("isDeployable"),
        provider=fields.text("provider"),
        name=fields.text("name"),
        friendly_name=fields.text("friendlyName"),
        scan_result=fields.text("scanResult"),
        is_recalled="recall" in fields,
    )


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


DEVICE_FILTERS = (
    "groupId eq '...'",
    "deviceClassId eq '...'",
    "deploymentStatus eq 'Failed'",
    "deploymentStatus eq null",
    "failureCode eq '30101001'",
    "installedUpdate eq 'provider/name/version'",
    "installedUpdate eq null",
    "onLatestUpdate eq false",
    "lastContactDateTime lt 2026-05-31T12:00:00Z",
    "isConnected eq false",
    "state eq 'Stuck'",
    "state eq 'Silent'",
    "state eq 'Unhealthy'",
    "startswith(deviceId,'...')",
)
"""The comparisons that a filter of devices may join by `and`."""


def device_filter(text: str | None) -> DeviceFilter:
    """The filter of devices: `DEVICE_FILTERS`, each field once, joined by `and`."""
    if text is None:
        return DeviceFilter()
    fields = FilterFields(
        text,
        *("groupId", "deviceClassId", "deploymentStatus", "failureCode", "installedUpdate"),
        *("onLatestUpdate", "lastContactDateTime", "isConnected", "state", "deviceId"),
        others={"lastContactDateTime": "lt", "deviceId": "startswith"},
    )
    never, bare = fields.is_null("deploymentStatus"), fields.is_null("installedUpdate")
    heard_before = fields.text("lastContactDateTime")
    return DeviceFilter(
        group=fields.text("groupId"),
        class_id=fields.text("deviceClassId"),
        state=None if never else fields.state("deploymentStatus"),
        never_deployed=never,
        failure_code=_failure_code(fields),
        installed=None if bare else _installed(fields),
        nothing_installed=bare,
        is_on_latest=fields.flag("onLatestUpdate"),
        heard_before=heard_before and instant(heard_before, "filter"),
        is_connected=fields.flag("isConnected"),
        condition=_condition(fields),
        id_prefix=fields.text("deviceId") or "",
    )


def _failure_code(fields: FilterFields) -> int | None:
    text = fields.text("failureCode")
    if text is None:
        return None
    if not _CODE.fullmatch(text):
        raise malformed("compares 'failureCode' with something else than 8 hexadecimal digits")
    return int(text, 16)


def _installed(fields: FilterFields) -> UpdateId | None:
    text = fields.text("installedUpdate")
    if text is None:
        return None
    try:
        return UpdateId(*text.split("/"))
    except (InvalidInput, TypeError):
        raise malformed(
            "compares 'installedUpdate' with something else than 'provider/name/version'"
        ) from None


def _condition(fields: FilterFields) -> Condition | None:
    text = fields.text("state")
    if text is None:
        return None
    try:
        return Condition(text)
    except ValueError:
        known = ", ".join(f"'{each}'" for each in Condition)
        raise malformed(f"compares 'state' with something else than {known}") from None


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


def log_file_filter(text: str | None) -> LogFileFilter:
    """The filter of the logs of a collection; of all devices without one."""
    if text is None:
        return LogFileFilter()
    fields = FilterFields(text, "deviceId", "moduleId")
    fields.requires("moduleId", "deviceId")
    return LogFileFilter(fields.text("deviceId"), fields.text("moduleId"))


def group_ordering(text: str | None) -> GroupOrdering:
    """The order of groups; by id unless asked otherwise."""
    if text is None:
        return GroupOrdering()
    name, is_descending = _order(text, tuple(GroupOrder))
    return GroupOrdering(GroupOrder(name), is_descending)


def is_newest_created_first(text: str | None) -> bool | None:
    """The order of log collections by their begin; None if none is asked for."""
    return None if text is None else _order(text, ("createdDateTime",))[1]


def is_newest_import_first(text: str | None) -> bool | None:
    """The order of updates by their import; None if none is asked for."""
    return None if text is None else _order(text, ("importedDateTime",))[1]


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
