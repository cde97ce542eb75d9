"""`odu poison`: explains what failed for good, sets it going again, or discards it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from odu_cli.command import CommandCoroutine, Session, YesOption, command, command_group
from odu_cli.output import moment, plain
from odu_cli.rest import path

app = command_group(
    "What failed as often as it is tried: messages of work queues, and events given up.",
    "poison list",
    "poison replay --queue import",
    "poison replay --cause SourceUnreachable",
    "poison discard --queue reconcile --id 6f1c2d3e-... --yes",
)

_AREA = ("operations", "poison")
QueueOption = Annotated[
    str | None,
    typer.Option(
        "--queue",
        metavar="NAME",
        help="Only this one: a work queue, 'blobs' or 'events'. All by default.",
    ),
]
CauseOption = Annotated[
    str | None, typer.Option("--cause", metavar="WORD", help="Only what failed for this cause.")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Only the one with this id; needs --queue."),
]
_NOTHING = "nothing failed for good"


@command(app, "list")
async def list_poison(
    session: Session, *, queue: QueueOption = None, cause: CauseOption = None
) -> None:
    """List what failed for good: what it was for, and why; of each queue the first 32."""
    found = (await session.rest.get(path(*_AREA, queue=queue)))["value"]
    chosen = [item for item in found if cause in (None, item["cause"])]
    if session.output.is_json:
        session.output.document(chosen)
        return
    for item in chosen:
        print(_lines(item))
    if not chosen:
        session.output.note(_NOTHING)


@command(app, "replay")
async def replay_poison(
    session: Session,
    *,
    queue: QueueOption = None,
    cause: CauseOption = None,
    identity: IdOption = None,
) -> None:
    """Try it again, once its cause is gone; what is over is discarded."""
    _check(queue, cause, identity)
    if identity is not None and queue is not None:
        done = await _one(session, "POST", f"{path(*_AREA, queue, identity)}:replay")
    else:
        done = await _many(session, "replay", queue, cause)
    _tell(session, done)


@command(app, "discard")
def discard_poison(
    session: Session,
    *,
    queue: QueueOption = None,
    cause: CauseOption = None,
    identity: IdOption = None,
    yes: YesOption = False,
) -> CommandCoroutine:
    """Delete it for good; the work that it asked for is not done."""
    _check(queue, cause, identity)
    what = f"the message {identity}" if identity else "what failed for good"
    place = f" in {queue}" if queue else ""
    reason = f" for {cause}" if cause else ""
    session.confirm(f"Discard {what}{place}{reason}?", is_confirmed=yes)

    async def work() -> None:
        if identity is not None and queue is not None:
            done = await _one(session, "DELETE", path(*_AREA, queue, identity))
        else:
            done = await _many(session, "discard", queue, cause)
        _tell(session, done)

    return work()


def _check(queue: str | None, cause: str | None, identity: str | None) -> None:
    if identity is not None and (queue is None or cause is not None):
        raise typer.BadParameter("--id needs --queue, and takes no --cause")


async def _one(session: Session, method: str, address: str) -> list[Any]:
    _, found = await session.rest.request(method, address)
    return list(found["value"])


async def _many(session: Session, action: str, queue: str | None, cause: str | None) -> list[Any]:
    chosen = {"queue": queue, "cause": cause}
    body = {name: value for name, value in chosen.items() if value is not None}
    _, found = await session.rest.request("POST", f"{path(*_AREA)}:{action}", body)
    return list(found["value"])


def _tell(session: Session, done: list[Any]) -> None:
    if session.output.is_json:
        session.output.document(done)
        return
    for item in done:
        parts = [(item["replayedCount"], "set going again"), (item["discardedCount"], "discarded")]
        counts = ", ".join(f"{count} {word}" for count, word in parts if count)
        print(f"{plain(item['queue']):<10} {counts}")
    if not done:
        session.output.note(_NOTHING)


def _lines(item: Any) -> str:
    about = ", ".join(f"{name} {plain(value)}" for name, value in item["about"].items())
    reason = plain(item.get("reason") or "no cause is known; the log of the service may tell")
    over = " (over: there is nothing left to do)" if item["isOver"] else ""
    margin = " " * 10
    return (
        f"{plain(item['queue']):<10} {moment(item.get('putDateTime'))}  "
        f"{plain(item['work'])}: {about}\n"
        f"{margin} {reason}{over}\n"
        f"{margin} cause {plain(item['cause'])}, id {plain(item['id'])}"
    )
