"""The codes that devices have reported, in place of the kinds that the service counts them under.

The service counts the codes it knows by themselves and others by their kind, for a device may
report anything. The devices themselves have the codes in full.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from shared.contract.codes import counted_erc, format_erc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

MOST_DEVICES = 500
"""Most failed devices that are read."""


async def in_full(
    failures: Iterable[Mapping[str, Any]], failed_devices: AsyncIterator[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Failures by code, the most frequent first, with the codes as devices have reported them.

    Args:
        failures: As the service counts them.
        failed_devices: The states of the devices that have failed; the first 500 are read.
    """
    counted = list(failures)
    if not counted:
        return counted
    reported: dict[str, Counter[str]] = {}
    words: dict[str, Mapping[str, Any]] = {}
    left = MOST_DEVICES
    async for device in failed_devices:
        failure = device.get("failure")
        if failure is not None:
            code = failure["code"]
            kind = format_erc(counted_erc(int(code, 16)))
            reported.setdefault(kind, Counter())[code] += 1
            words[code] = failure
        left -= 1
        if not left:
            break
    ordered = sorted(counted, key=lambda row: str(row["code"]))
    found = [
        row
        for kind, rows in groupby(ordered, key=lambda row: str(row["code"]))
        for row in _rows(list(rows), reported.get(kind, Counter()), words)
    ]
    return sorted(found, key=lambda row: (-row["deviceCount"], row["code"]))


def _rows(
    rows: list[Mapping[str, Any]], codes: Counter[str], words: Mapping[str, Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """The rows of one kind, which may be of several device classes."""
    total = sum(row["deviceCount"] for row in rows)
    row = {**rows[0], "deviceCount": total}
    if sum(codes.values()) == total:
        yield from ({**words[code], "deviceCount": count} for code, count in codes.items())
    elif codes:
        code = codes.most_common(1)[0][0]
        others = "" if len(codes) == 1 and code == row["code"] else " and others"
        yield {**row, "code": f"{code}{others}"}
    else:
        yield row
