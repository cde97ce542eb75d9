"""`odu update delta`: makes deltas between two versions of an update."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from odu_cli import arguments
from odu_cli.command import CommandCoroutine, Session, command
from odu_cli.output import Column
from odu_cli.rest import update_path


def register(app: typer.Typer) -> None:
    """Add the command to `odu update`."""
    command(app, "delta")(make_delta)


def make_delta(
    session: Session,
    update: Annotated[
        str, typer.Argument(metavar="PROVIDER/NAME", help="The update, without its version.")
    ],
    *,
    source: Annotated[str, typer.Option("--from", metavar="VERSION", help="What devices have.")],
    target: Annotated[str, typer.Option("--to", metavar="VERSION", help="What they are to get.")],
) -> CommandCoroutine:
    """Make deltas between two versions, so that devices with the older one download less.

    They are scanned and attached to the newer version, which is signed anew. None is made that
    saves less than 40 % of its file.
    """
    identity = arguments.update_id(f"{update}/{target}")
    arguments.update_id(f"{update}/{source}")

    async def work() -> None:
        from odu_cli.watching import conclude, follow_operation

        address = f"{update_path(identity.to_wire())}:makeDelta"
        headers, _ = await session.rest.request("POST", address, {"sourceVersion": source})
        state = await follow_operation(session, headers["Operation-Location"])
        if not session.output.is_json:
            session.output.table(_OUTCOMES, state.get("deltas") or [], title="Deltas")
        conclude(session, state, "the delta")

    return work()


def _size(item: Any) -> str | None:
    size = item.get("deltaSizeInBytes")
    return None if size is None else f"{size:,}"


def _saving(item: Any) -> str | None:
    size = item.get("deltaSizeInBytes")
    return None if size is None else f"{1 - size / item['sizeInBytes']:.1%}"


_OUTCOMES = [
    Column("FILE", lambda item: item["fileName"]),
    Column("BYTES", lambda item: f"{item['sizeInBytes']:,}", is_number=True),
    Column("DELTA", _size, is_number=True),
    Column("SAVES", _saving, is_number=True),
    Column("NONE, BECAUSE", lambda item: item.get("reason")),
]
