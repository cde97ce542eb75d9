"""Everything that is written with a change of a device."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.fleet.counters import moved_on
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.device_history import found_installed, of_history
from shared.ports import DeviceWrite, Revision, Stored
from shared.services.announce import Announcer


def device_write(
    announcer: Announcer,
    instance: str,
    before: Stored[DeviceRecord] | None,
    after: DeviceRecord,
    revisions: Sequence[Revision] = (),
) -> DeviceWrite | None:
    """The write that turns one state of a device into another; None if nothing changes.

    Args:
        announcer: Knows whether there is somebody to tell.
        instance: The instance.
        before: The row as it was read; None if there is none.
        after: What the device becomes.
        revisions: Its histories that a late report changes.
    """
    known = before.value if before else None
    if known is not None and after == known and not revisions:
        return None
    left = moved_on(known, after)
    found = found_installed(known, after)
    past = [of_history(item) for item in ([left] if left else [])]
    past += [of_history(item.after) for item in revisions]
    events = announcer.of_change(instance, known, after)
    for item in revisions:
        events += announcer.of_revision(instance, after, item.before.value, item.after)
    return DeviceWrite(
        before,
        after,
        history=left,
        events=events,
        installations=(*past, *([found] if found else [])),
        revisions=tuple(revisions),
    )
