"""Reads devices as lists show them: from their own rows, or from those of a group's lists."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.table import AFTER_SEPARATOR, SEPARATOR, Row, Table, key, key_part, unpack
from shared.adapters.table_device_rows import LAST, LISTED
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.fleet.health import UNHEALTHY
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, Selection, listed

_FIRST_COLUMNS = {"group", "class", "state", "health"}
"""Columns that rows of every release have."""
_MOST_COMPARISONS = 15
"""Of a query: the storage's limit."""


async def of_devices(
    table: Table, partition: str, wanted: Selection, *, after: str, size: int, is_indexed: bool
) -> Sequence[ListedDevice]:
    """The next devices of a bucket, from their rows.

    Args:
        table: The table.
        partition: That of the bucket.
        wanted: Which of them.
        after: Key of the device after which they begin; empty: with the first.
        size: The most of them.
        is_indexed: Whether every row has every column.
    """
    names = wanted.columns.keys() if is_indexed else _FIRST_COLUMNS & wanted.columns.keys()
    parts = [f"{name} eq @{name}" for name in names] or ["class ne ''"]
    parts += _times(wanted) if is_indexed else []
    return await _read(table, (partition, key("d")), wanted, parts, after=after, size=size)


async def of_group(
    table: Table, partition: str, prefix: str, wanted: Selection, *, after: str, size: int
) -> Sequence[ListedDevice]:
    """The next devices in the lists of a group; `prefix` is what their keys begin with."""
    parts = [f"{name} eq @{name}" for name in wanted.columns if name != "group"] + _times(wanted)
    return await _read(table, (partition, prefix), wanted, parts, after=after, size=size)


def of_lists(group: str) -> str:
    """What the keys of devices in the lists of a group begin with."""
    return key("c", group) + SEPARATOR + LISTED


def of_kept(kept: Kept) -> tuple[str, dict[str, str]]:
    """The condition, with its parameters, of the rare devices that are kept: eleven comparisons at
    most.
    """
    parts, parameters = [], {}
    if kept.failed:
        parts.append("state eq @failed")
        parameters["failed"] = DeviceState.FAILED.value
    if kept.unhealthy:
        parts.append("health eq @unhealthy")
        parameters["unhealthy"] = UNHEALTHY
    if kept.disconnected:
        parts.append("connected eq 'no'")
    if kept.heard_before:
        parts.append("( heard lt @heard and heard gt '' and connected ne 'yes' )")
        parameters["heard"] = kept.heard_before
    if kept.working_before:
        parts.append("( working lt @working and working gt '' )")
        parameters["working"] = kept.working_before
    for column, common in (("installed", kept.installed_but), ("class", kept.class_but)):
        if common is not None:
            names = {f"{column}{at}": name for at, name in enumerate(common)}
            others = " and ".join(f"{column} ne @{name}" for name in names)
            parts.append(f"( {others} )" if others else f"{column} ge ''")
            parameters |= names
    return " or ".join(parts), parameters


async def _read(
    table: Table,
    place: tuple[str, str],
    wanted: Selection,
    parts: Sequence[str],
    *,
    after: str,
    size: int,
) -> Sequence[ListedDevice]:
    partition, prefix = place
    start, begins = prefix + SEPARATOR, prefix + SEPARATOR + key_part(wanted.id_prefix)
    among = sorted(wanted.installed_among or ())
    parameters = {
        **{f"among{at}": name for at, name in enumerate(among)},
        "partition": partition,
        "to": begins + LAST if wanted.id_prefix else prefix + AFTER_SEPARATOR,
        "heard": wanted.heard_before,
        "working": wanted.working_before,
        **wanted.columns,
    }
    found: list[ListedDevice] = []
    while len(found) < size:
        parameters["from"] = start + key_part(after) if after else begins
        first = "RowKey gt @from" if after else "RowKey ge @from"
        condition = " and ".join(["PartitionKey eq @partition", first, "RowKey lt @to", *parts])
        rows = await table.first(condition, parameters, size)
        for row in rows:
            item, after = _item(row)
            if item is not None and wanted.has(item):
                found.append(item)
        if len(rows) < size:
            break
    return found[:size]


def _times(wanted: Selection) -> list[str]:
    """Comparisons that are not of one column with one value; unknown times are empty."""
    parts = []
    if wanted.heard_before is not None:
        parts.append("heard lt @heard and heard gt ''")
    if wanted.working_before is not None:
        parts.append("working lt @working and working gt ''")
    if not wanted.may_be_connected and "connected" not in wanted.columns:
        parts.append("connected ne 'yes'")
    among = wanted.installed_among or ()
    taken = 3 + len(wanted.columns) + sum(part.count("@") + part.count("'") // 2 for part in parts)
    if 0 < len(among) <= _MOST_COMPARISONS - taken:
        names = " or ".join(f"installed eq @among{at}" for at in range(len(among)))
        parts.append(f"( {names} )")
    return parts


def _item(row: Row) -> tuple[ListedDevice | None, str]:
    """A device as lists show it, and its key."""
    if row.get("listed"):
        item = unpack(row, ListedDevice)
        return item, item.key
    record = unpack(row, DeviceRecord)
    return listed(record), record.key
