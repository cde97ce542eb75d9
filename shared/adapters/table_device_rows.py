"""Where rows of devices and what belongs to them lie: keys, ranges, and guarded writes.

Partition = bucket and instance (bucket first, so that load spreads). Rows: `d.<device>` a device,
`c.<group>.<class>` counters, `c.<group>.~x.<device>` a device as lists show it, `h.<workflow>.
<device>` what a device leaves behind in a deployment it moved on from, `i.<device>.<position>` the
same and other updates by device, `e.<event>` what is to be told to customers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.adapters.table import (
    AFTER_SEPARATOR,
    SEPARATOR,
    Operation,
    change,
    checked_key,
    create,
    key,
)

LISTED = "~x"
"""Part of the keys of devices as lists show them. No escaped part begins so, and all that counters
have in its place sorts before it: the counters of a group are a range, and so are its devices."""
LAST = "~~"
"""Sorts after every character of a key."""


@dataclass(slots=True)
class CounterRow:
    """The counters of one group and class in one bucket."""

    group: str
    class_id: str
    cells: dict[str, int]


def partition_of(instance: str, bucket: int) -> str:
    """The partition of a bucket."""
    return f"{bucket:02x}{SEPARATOR}{key(instance)}"


def range_of(partition: str, *prefix: str) -> tuple[str, dict[str, str]]:
    """The condition, with its parameters, of the rows whose keys begin with some parts."""
    start = key(*prefix)
    return (
        "PartitionKey eq @partition and RowKey gt @from and RowKey lt @to",
        {"partition": partition, "from": start + SEPARATOR, "to": start + AFTER_SEPARATOR},
    )


def counters_of(partition: str, group: str) -> tuple[str, dict[str, str]]:
    """The same for the counters of a group."""
    condition, parameters = range_of(partition, "c", group)
    return condition, parameters | {"to": f"{key('c', group)}{SEPARATOR}{LISTED}"}


def listed_key(group: str, device: str) -> str:
    """Key of a device as lists of its group show it."""
    return checked_key(SEPARATOR.join((key("c", group), LISTED, key(device))))


def put_as_read(
    partition: str, row: str, properties: Mapping[str, Any], etag: str | None
) -> Operation:
    """Write a row that must be as it was read; without an ETag there was none."""
    if etag is None:
        return create(partition, row, properties)
    return change(partition, row, properties, etag)
