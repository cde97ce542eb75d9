"""`odu device`: devices whose agent takes updates, and what they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from odu_cli import PROGRAM
from odu_cli.command import Session, WatchOption, command, command_group
from odu_cli.commands import device_orders
from odu_cli.commands.device_orders import segments_of
from odu_cli.commands.log import FolderOption, collect_and_download
from odu_cli.device_filter import DeviceSelection
from odu_cli.output import Column, device_name, moment, update_name
from odu_cli.rest import path

app = command_group(
    "Devices whose agent takes updates.",
    "device list --group pilot",
    "device list --group pilot --status Failed --json | jq -r '.[].deviceId'",
    "device list --condition Silent",
    "device export failed.csv --group pilot --status Failed",
    "device show toaster-01",
    "device history toaster-01",
    "device explain toaster-01 contoso/toaster/1.2",
    "device deploy toaster-01 contoso/toaster/1.3",
    "device exclude toaster-01 --reason 'on a test bench'",
    "device logs download toaster-01 --output logs",
    "device import --watch",
    "device events --json",
)

logs = command_group(
    "Diagnostic logs of single devices; collections of logs: log --help.",
    "device logs download toaster-01 --output logs",
)
app.add_typer(logs, name="logs")

_COLUMNS = [
    Column("DEVICE", device_name),
    Column("GROUP", lambda item: item.get("groupId")),
    Column("INSTALLED", lambda item: update_name(item.get("installedUpdate"))),
    Column("ON LATEST", lambda item: item["onLatestUpdate"]),
    Column("DEPLOYMENT", lambda item: item.get("lastDeploymentId")),
    Column("STATE", lambda item: item.get("deploymentStatus")),
]
_STEPS = [
    Column("STEP", lambda item: item.get("description") or update_name(item.get("update"))),
    Column("RESULT", lambda item: item["resultCode"], is_number=True),
    Column("EXTENDED", lambda item: _extended(item["extendedResultCode"])),
    Column("DETAILS", lambda item: item.get("resultDetails")),
]


_HISTORY = [
    Column("UPDATE", lambda item: update_name(item["update"])),
    Column("DEPLOYMENT", lambda item: item.get("deploymentId")),
    Column("STARTED", lambda item: moment(item.get("startedDateTime"))),
    Column("ENDED", lambda item: moment(item.get("endedDateTime"))),
    Column("STATE", lambda item: item["state"]),
    Column("CODE", lambda item: (item.get("failure") or {}).get("code")),
]


_REFUSED = [
    Column("REASON", lambda item: item["reason"]),
    Column("EVENTS", lambda item: item["count"], is_number=True),
    Column("LAST", lambda item: moment(item["lastDateTime"])),
]
_DRIFTS = [
    Column("FOUND AT", lambda item: moment(item["driftedDateTime"])),
    Column("GROUP", lambda item: item["groupId"]),
    Column("COUNTER", lambda item: item["counter"]),
    Column("FOUND", lambda item: item["found"], is_number=True),
    Column("COUNTED", lambda item: item["counted"], is_number=True),
]


class ImportType(StrEnum):
    """What to look for in the registry of the hub."""

    ALL = "All"
    DEVICES = "Devices"
    MODULES = "Modules"


@command(app, "list")
async def list_devices(session: Session, *, selected: DeviceSelection) -> None:
    """List devices: all, or those that every option fits."""
    devices = session.rest.items(path("management", "devices", filter=selected.text()))
    await session.output.listing(devices, _COLUMNS, "there are no such devices")


@command(app, "count")
async def count_devices(session: Session, *, selected: DeviceSelection) -> None:
    """Count devices, without looking at any: all, or those that an option fits."""
    found = await session.rest.get("management/devices:count" + path(filter=selected.text()))
    if session.output.is_json:
        session.output.document(found)
    elif found.get("deviceCount") is None:
        session.output.note("counters do not tell: list the devices")
    else:
        session.output.done(f"{found['deviceCount']} devices")


@command(app, "export")
async def export_devices(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: NAME.csv or NAME.parquet.")
    ],
    *,
    selected: DeviceSelection,
) -> None:
    """Write devices to a file, CSV or Parquet: all, or those that every option fits."""
    from odu_cli.log_files import download_file
    from odu_cli.watching import conclude, follow_operation

    kind = file.suffix.removeprefix(".").lower()
    if kind not in ("csv", "parquet"):
        raise typer.BadParameter("the file must be named NAME.csv or NAME.parquet")
    text = selected.text()
    body = {"format": kind, **({"filter": text} if text else {})}
    headers, _ = await session.rest.request("POST", "management/devices:export", body)
    state = await follow_operation(session, headers["Operation-Location"])
    if state["status"] != "Succeeded":
        conclude(session, state, "the export of devices")
        return
    identity = state["operationId"]
    found = await session.rest.get(path("management", "operations", identity, "file"))
    size = await download_file(found["link"], file)
    if session.output.is_json:
        session.output.document(
            {"path": str(file), "deviceCount": found["deviceCount"], "sizeInBytes": size}
        )
    else:
        session.output.done(f"{found['deviceCount']} devices written to {file}")


@command(app, "show")
async def show_device(
    session: Session,
    device: Annotated[str, typer.Argument(metavar="DEVICE[/MODULE]", help="Its id.")],
) -> None:
    """Show a device or a module, and how its last installation went."""
    found = await session.rest.get(path(*segments_of(device)))
    if session.output.is_json:
        session.output.document(found)
        return
    result, failure = found.get("lastInstallResult") or {}, found.get("failure") or {}
    session.output.fields(
        [
            ("device", device_name(found)),
            ("group", found.get("groupId")),
            ("device class", found["deviceClassId"]),
            ("installed", update_name(found.get("installedUpdate"))),
            ("on latest update", found["onLatestUpdate"]),
            ("last attempted", update_name(found.get("lastAttemptedUpdate"))),
            ("last deployment", found.get("lastDeploymentId")),
            ("state", found.get("deploymentStatus")),
            ("result code", result.get("resultCode")),
            ("extended result code", _extended(result.get("extendedResultCode"))),
            ("details", result.get("resultDetails")),
            ("failure", failure.get("message")),
            ("what to do", failure.get("nextStep")),
            ("last report", moment(found.get("lastContactDateTime"))),
            ("connected", found.get("isConnected")),
            ("health", found.get("health")),
            ("works on", (found.get("workflow") or {}).get("deploymentId")),
            ("since", moment((found.get("workflow") or {}).get("sinceDateTime"))),
            (
                "tags",
                ", ".join(f"{name}={value}" for name, value in (found.get("tags") or {}).items()),
            ),
        ]
    )
    session.output.table(_STEPS, result.get("stepResults") or (), title="Steps")


@command(app, "history")
async def show_history(
    session: Session,
    device: Annotated[str, typer.Argument(metavar="DEVICE[/MODULE]", help="Its id.")],
) -> None:
    """List what became of updates on a device, the newest first."""
    past = session.rest.items(path(*segments_of(device), "updateHistory"))
    await session.output.listing(past, _HISTORY, "no update has come to the device yet")


@command(logs, "download")
async def download_logs(
    session: Session,
    devices: Annotated[
        list[str], typer.Argument(metavar="DEVICE[/MODULE]", help="Devices, 100 at most.")
    ],
    *,
    output: FolderOption = Path(),
) -> None:
    """Have devices upload their logs now, wait for them, and download them."""
    await collect_and_download(session, devices, output)


@command(app, "import")
async def import_devices(
    session: Session,
    *,
    kind: Annotated[
        ImportType, typer.Option("--type", case_sensitive=False, help="What to look for.")
    ] = ImportType.ALL,
    watch: WatchOption = False,
) -> None:
    """Read all devices anew from the registry of the hub."""
    from odu_cli.watching import conclude, follow_operation

    headers, _ = await session.rest.request("POST", "management/devices:import", kind.value)
    operation = headers["Operation-Location"]
    if watch:
        conclude(session, await follow_operation(session, operation), "the import of devices")
        return
    state = await session.rest.get(operation)
    if session.output.is_json:
        session.output.document(state)
    else:
        session.output.done(f"the import goes on as operation {state['operationId']}")
        session.output.note(
            f"follow it: {PROGRAM} operation show {state['operationId']} --devices -w"
        )


@command(app, "events")
async def show_events(session: Session) -> None:
    """Show which events were refused, and which counters a recount has put right."""
    health = await session.rest.get("management/eventHealth")
    if session.output.is_json:
        session.output.document(health)
        return
    session.output.fields(
        [
            ("recounted buckets", health["recountedBucketCount"]),
            ("oldest recount", moment(health.get("oldestRecountDateTime"))),
        ]
    )
    session.output.table(_REFUSED, health["refusedEvents"], title="Refused events")
    session.output.table(_DRIFTS, health["counterDrifts"], title="Counters put right")


def _extended(code: int | None) -> str | None:
    """An extended result code as agents and their documentation write it."""
    return None if not code else f"0x{code & 0xFFFFFFFF:08X}"


device_orders.register(app)
