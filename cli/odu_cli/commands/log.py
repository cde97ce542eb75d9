"""`odu log`: collects diagnostic logs from devices."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from odu_cli import PROGRAM, arguments
from odu_cli.command import Session, WatchOption, command, command_group
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.log_files import COLLECTIONS
from odu_cli.output import Column, device_name, moment
from odu_cli.rest import path

app = command_group(
    "Diagnostic logs of devices.",
    "log collect toaster-01 toaster-02 --watch",
    "log status l-1f0c3a",
    "log download l-1f0c3a --output logs",
    "log download l-1f0c3a --device toaster-01",
    "log list",
)

_POLL_SECONDS = 0.5
_COLUMNS = [
    Column("COLLECTION", lambda item: item.get("operationId")),
    Column("STATUS", lambda item: item.get("status")),
    Column("DEVICES", lambda item: len(item.get("deviceList") or ()), is_number=True),
    Column("FAILED", lambda item: (item.get("deviceCounts") or {}).get("failed"), is_number=True),
    Column("CREATED", lambda item: moment(item.get("createdDateTime"))),
    Column("DESCRIPTION", lambda item: item.get("description")),
]
_DEVICES = [
    Column("DEVICE", device_name),
    Column("STATUS", lambda item: item["status"]),
    Column("RESULT", lambda item: item.get("resultCode")),
    Column("EXTENDED", lambda item: item.get("extendedResultCode")),
    Column("LOG", lambda item: item.get("logLocation")),
]
FolderOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")
]
_COLLECTION = typer.Argument(metavar="COLLECTION", help="Its id.")


@command(app, "collect")
async def collect_logs(
    session: Session,
    devices: Annotated[
        list[str], typer.Argument(metavar="DEVICE[/MODULE]", help="Devices, 100 at most.")
    ],
    *,
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Id of the collection, if not random.")
    ] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    watch: WatchOption = False,
) -> None:
    """Have devices upload their logs."""
    chosen = identity or f"l-{uuid.uuid4().hex[:12]}"
    body: dict[str, Any] = {
        "operationId": chosen,
        "deviceList": [arguments.device_reference(text) for text in devices],
    }
    if description is not None:
        body["description"] = description
    _, found = await session.rest.request("PUT", path(*COLLECTIONS, chosen), body)
    if watch:
        session.output.note(f"waiting for {len(devices)} devices to upload theirs for {chosen}")
        _print(session, await _followed(session, chosen))
    elif session.output.is_json:
        session.output.document(found)
    else:
        session.output.done(f"logs are collected as {chosen}")
        session.output.note(f"see how far: {PROGRAM} log status {chosen}")


@command(app, "status")
async def show_collection(
    session: Session, collection: Annotated[str, _COLLECTION], *, watch: WatchOption = False
) -> None:
    """Show a collection, device by device."""
    if watch:
        _print(session, await _followed(session, collection))
    else:
        _print(session, await _read(session, collection))


@command(app, "download")
async def download_collection(
    session: Session,
    collection: Annotated[str, _COLLECTION],
    *,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE[/MODULE]", help="Only the logs of this one."),
    ] = None,
    output: FolderOption = Path(),
) -> None:
    """Download what the devices of a collection have uploaded, in a folder for each device."""
    await _download(session, collection, output, device)


@command(app, "list")
async def list_collections(session: Session) -> None:
    """List the collections, the newest first."""
    collections = session.rest.items(path(*COLLECTIONS, orderby="createdDateTime desc"))
    await session.output.listing(collections, _COLUMNS, "no logs have been collected")


async def _read(session: Session, collection: str) -> Any:
    return await session.rest.get(path(*COLLECTIONS, collection, "detailedStatus"))


async def collect_and_download(session: Session, devices: Sequence[str], output: Path) -> None:
    """Have devices upload their logs, wait for them, and download them."""
    chosen = f"l-{uuid.uuid4().hex[:12]}"
    body = {
        "operationId": chosen,
        "deviceList": [arguments.device_reference(text) for text in devices],
    }
    await session.rest.request("PUT", path(*COLLECTIONS, chosen), body)
    session.output.note(f"waiting for the logs of collection {chosen}")
    await _followed(session, chosen)
    await _download(session, chosen, output)


async def _download(
    session: Session, collection: str, folder: Path, device: str | None = None
) -> None:
    from odu_cli.log_files import download_logs

    written = [item async for item in download_logs(session.rest, collection, folder, device)]
    if session.output.is_json:
        session.output.document(written)
        return
    for item in written:
        session.output.done(f"{item['path']}, {item['sizeInBytes']:,} bytes")
    if not written:
        session.output.note("no device has uploaded anything")


async def _followed(session: Session, collection: str) -> Any:
    while True:
        found = await _read(session, collection)
        if found["status"] in ("Succeeded", "Failed"):
            break
        await asyncio.sleep(_POLL_SECONDS)
    if found["status"] == "Failed":
        if not session.output.is_json:
            _print(session, found)
        raise Refused(ExitCode.FAILED, f"log collection {collection} failed", document=found)
    return found


def _print(session: Session, found: Any) -> None:
    if session.output.is_json:
        session.output.document(found)
        return
    session.output.fields(
        [
            ("collection", found.get("operationId")),
            ("status", found.get("status")),
            ("description", found.get("description")),
            ("created", moment(found.get("createdDateTime"))),
            ("last action", moment(found.get("lastActionDateTime"))),
        ]
    )
    session.output.table(_DEVICES, found.get("deviceStatus") or (), title="Devices")
