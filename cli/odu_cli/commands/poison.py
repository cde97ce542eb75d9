"""`odu poison`: explains what failed for good, sets it going again, or discards it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odu_cli.command import CommandCoroutine, Needs, Session, YesOption, command, command_group
from odu_cli.output import moment, plain

if TYPE_CHECKING:
    from odu_cli.poison.desk import PoisonDesk
    from odu_cli.poison.explained import PoisonItem

app = command_group(
    "What failed as often as it is tried. Needs more than the REST API: the storage of the "
    "service, with --azure with your own identity.",
    "poison list",
    "poison replay --queue import",
    "poison discard --queue events --yes",
    "poison list --azure --content https://ACCOUNT.blob.core.windows.net",
    "    --queues https://ACCOUNT.queue.core.windows.net",
)

QueueOption = Annotated[
    str | None,
    typer.Option(
        "--queue",
        metavar="NAME",
        help="Only this one: a work queue, 'blobs' or 'events'. All by default.",
    ),
]
_NOTHING = "nothing failed for good"


@command(app, "list", needs=Needs.STORAGE)
async def list_poison(session: Session, *, queue: QueueOption = None) -> None:
    """List what failed for good: what it was for, and why."""
    shown: dict[str, int] = {}
    async with _desk(session) as desk:

        async def items() -> AsyncIterator[Any]:
            async for item in desk.list(queue):
                shown[item.place] = shown.get(item.place, 0) + 1
                yield item

        if session.output.is_json:
            await session.output.listing((asdict(item) async for item in items()), [], _NOTHING)
            return
        async for item in items():
            print(_line(item))
        for place, count in shown.items():
            more = await desk.count(place) - count
            if more > 0:
                print(f"{place:<10} and {more} more")
    if not shown:
        session.output.note(_NOTHING)


@command(app, "replay", needs=Needs.STORAGE)
async def replay_poison(session: Session, *, queue: QueueOption = None) -> None:
    """Try all of it again, once its cause is gone."""
    async with _desk(session) as desk:
        done = [each async for each in desk.replay(queue)]
    if session.output.is_json:
        session.output.document([asdict(each) for each in done])
        return
    for each in done:
        over = f", {each.dropped} dropped: there is nothing left to do" * bool(each.dropped)
        print(f"{each.place:<10} {each.replayed} set going again{over}")
    if not done:
        session.output.note(_NOTHING)


@command(app, "discard", needs=Needs.STORAGE)
def discard_poison(
    session: Session,
    *,
    queue: QueueOption = None,
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Only what has this id in the list.")
    ] = None,
    yes: YesOption = False,
) -> CommandCoroutine:
    """Delete it for good; the work that it asked for is not done."""
    what = f"what has the id {identity}" if identity else "everything that failed for good"
    place = f" in {queue}" if queue else ""
    session.confirm(f"Discard {what}{place}?", is_confirmed=yes)

    async def work() -> None:
        async with _desk(session) as desk:
            done = [each async for each in desk.discard(queue, identity)]
        if session.output.is_json:
            session.output.document([asdict(each) for each in done])
            return
        for each in done:
            print(f"{each.place:<10} {each.discarded} discarded")
        if not done:
            session.output.note(_NOTHING if identity is None else "there is nothing with this id")

    return work()


@asynccontextmanager
async def _desk(session: Session) -> AsyncIterator[PoisonDesk]:
    from odu_cli.poison.desk import PoisonDesk
    from odu_cli.poison.storage import open_poison_storage

    async with open_poison_storage(session.storage.resolve()) as storage:
        yield PoisonDesk(storage)


def _line(item: PoisonItem) -> str:
    about = ", ".join(f"{name} {plain(value)}" for name, value in item.about.items())
    reason = plain(item.reason) if item.reason else "see the log of the service"
    over = " (over: a replay drops it)" if item.is_over else ""
    return (
        f"{item.place:<10} {moment(item.at)}  {item.what}: {about}\n"
        f"{'':<10} {reason}{over}\n{'':<10} id {plain(item.id)}"
    )
