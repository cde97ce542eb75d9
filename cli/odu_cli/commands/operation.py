"""`odu operation`: long-running operations, of updates or of devices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from odu_cli.command import Session, WatchOption, command, command_group
from odu_cli.output import Column, moment, update_name
from odu_cli.rest import path

app = command_group(
    "Long-running operations: imports and deletions of updates, imports of devices.",
    "operation list --running",
    "operation show 98236500000000-1f0c --watch",
)

_COLUMNS = [
    Column("OPERATION", lambda item: item["operationId"]),
    Column("STATUS", lambda item: item["status"]),
    Column("STAGE", lambda item: item.get("stage")),
    Column("UPDATE", lambda item: update_name(item.get("update"))),
    Column("CREATED", lambda item: moment(item["createdDateTime"])),
    Column("ERROR", lambda item: (item.get("error") or {}).get("code")),
]

DevicesOption = Annotated[
    bool, typer.Option("--devices", metavar="", help="Imports of devices, instead of updates.")
]


@command(app, "list")
async def list_operations(
    session: Session,
    *,
    devices: DevicesOption = False,
    running: Annotated[
        bool, typer.Option("--running", metavar="", help="Only those that have not ended.")
    ] = False,
    top: Annotated[int | None, typer.Option(metavar="N", min=0, help="At most so many.")] = None,
) -> None:
    """List operations, newest first."""
    wanted = "status eq 'NotStarted' or status eq 'Running'" if running else None
    most = None if top is None else str(top)
    operations = session.rest.items(path(_area(devices), "operations", filter=wanted, top=most))
    await session.output.listing(operations, _COLUMNS, "there are no such operations")


@command(app, "show")
async def show_operation(
    session: Session,
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="Its id.")],
    *,
    devices: DevicesOption = False,
    watch: WatchOption = False,
) -> None:
    """Show an operation; the exit code tells whether it failed."""
    from odu_cli.watching import conclude, follow_operation, is_ended

    address = path(_area(devices), "operations", operation)
    if watch:
        state = await follow_operation(session, address)
    else:
        state = await session.rest.get(address)
    if is_ended(state):
        conclude(session, state, f"operation {operation}")
    elif session.output.is_json:
        session.output.document(state)
    else:
        session.output.fields(
            [
                ("operation", state["operationId"]),
                ("status", state["status"]),
                ("stage", state.get("stage")),
                ("update", update_name(state.get("update"))),
                ("bytes fetched", _of(state, "bytesDone", "bytesTotal")),
                ("files scanned", _of(state, "filesScanned", "filesTotal")),
                ("missing files", ", ".join(state.get("missingFiles") or ()) or None),
                (
                    "missing updates",
                    ", ".join(map(update_name, state.get("missingUpdates") or ())) or None,
                ),
                ("no verdict yet", ", ".join(state.get("awaitedFiles") or ()) or None),
                ("created", moment(state["createdDateTime"])),
            ]
        )


def _area(devices: bool) -> str:
    return "management" if devices else "updates"


def _of(state: Any, done: str, all_: str) -> str | None:
    total = state.get(all_)
    return f"{state.get(done) or 0:,} of {total:,}" if total else None
