"""`odu device` for one device: explain, deploy, cancel, retry, exclude, include."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from odu_cli import arguments
from odu_cli.command import Session, command
from odu_cli.output import Column, moment, update_name
from odu_cli.rest import path

DeviceArgument = Annotated[
    str, typer.Argument(metavar="DEVICE[/MODULE]", help="Its id.", show_default=False)
]
DeploymentArgument = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help="Its id.", show_default=False)
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        "-g",
        metavar="GROUP",
        help="Group of the deployment; by default the device's own, then its group's.",
    ),
]
ReasonOption = Annotated[
    str, typer.Option(metavar="TEXT", help="For whoever reads the explanation.")
]
_REASONS = [
    Column("", lambda item: "▸" if item.get("decides") else ""),
    Column("CODE", lambda item: item["code"]),
    Column("WHY", lambda item: item["message"]),
    Column("UNTIL", lambda item: moment(item.get("until")) if item.get("until") else None),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `odu device`."""
    command(app, "explain")(explain_device)
    command(app, "deploy")(deploy_to_device)
    command(app, "cancel")(cancel_for_device)
    command(app, "retry")(retry_on_device)
    command(app, "exclude")(exclude_device)
    command(app, "include")(include_device)


def segments_of(device: str) -> list[str]:
    """Where the API has a device or module."""
    reference = arguments.device_reference(device)
    modules = ["modules", reference["moduleId"]] if "moduleId" in reference else []
    return ["management", "devices", reference["deviceId"], *modules]


async def explain_device(
    session: Session,
    device: DeviceArgument,
    update: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROVIDER/NAME/VERSION]", help="The update; else whatever is decided."
        ),
    ] = None,
) -> None:
    """Say why a device has, will get or will not get an update."""
    address = segments_of(device)
    if update is not None:
        named = arguments.update_id(update)
        address += ["updates", "providers", named.provider, "names", named.name]
        address += ["versions", named.version]
    else:
        address += ["updates"]
    found = await session.rest.get(f"{path(*address)}:explain")
    if session.output.is_json:
        session.output.document(found)
        return
    session.output.fields(
        [
            ("device", device),
            ("update", update_name(found.get("update"))),
            ("verdict", found["verdict"]),
        ]
    )
    session.output.table(_REASONS, found["reasons"], title="Because")


async def deploy_to_device(
    session: Session,
    device: DeviceArgument,
    update: Annotated[str, typer.Argument(metavar="PROVIDER/NAME/VERSION", help="The update.")],
    *,
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id, if not random.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601; at once by default.")
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="When it is asked, such as '0 1 * * mon-fri for 4h in device'; may be repeated.",
        ),
    ] = None,
    ignore_device_window: Annotated[
        bool,
        typer.Option("--ignore-device-window", help="Ask it outside of a window of its own too."),
    ] = False,
) -> None:
    """Deploy an update to one device alone, before all deployments of its group."""
    import uuid

    from odu_cli.rollouts.options import window as parsed_window

    body: dict[str, Any] = {"update": {"updateId": arguments.update_id(update).to_wire()}}
    if start is not None:
        body["startDateTime"] = start
    if window:
        body["windows"] = [parsed_window(text) for text in window]
    if ignore_device_window:
        body["ignoreDeviceWindow"] = True
    chosen = identity or f"d-{uuid.uuid4().hex[:12]}"
    address = path(*segments_of(device), "deployments", chosen)
    _, made = await session.rest.request("PUT", address, body)
    if session.output.is_json:
        session.output.document(made)
        return
    session.output.done(f"deployment {chosen} of {update} to {device} alone")


async def cancel_for_device(
    session: Session,
    device: DeviceArgument,
    deployment: DeploymentArgument,
    *,
    group: GroupOption = None,
    reason: ReasonOption = "",
) -> None:
    """Cancel a deployment for one device."""
    await _order(session, device, deployment, "cancel", group, reason, "is cancelled for")


async def retry_on_device(
    session: Session,
    device: DeviceArgument,
    deployment: DeploymentArgument,
    *,
    group: GroupOption = None,
    reason: ReasonOption = "",
) -> None:
    """Try a deployment again on one device where it failed."""
    await _order(session, device, deployment, "retry", group, reason, "is tried again on")


async def exclude_device(
    session: Session,
    device: DeviceArgument,
    deployment: Annotated[
        str, typer.Argument(metavar="[DEPLOYMENT]", help="Its id; `*` for all, the default.")
    ] = "*",
    *,
    group: GroupOption = None,
    reason: ReasonOption = "",
) -> None:
    """Keep a device out of a deployment, or of all."""
    await _order(session, device, deployment, "exclude", group, reason, "does not reach")


async def include_device(
    session: Session,
    device: DeviceArgument,
    deployment: Annotated[
        str, typer.Argument(metavar="[DEPLOYMENT]", help="Its id; `*` for all, the default.")
    ] = "*",
    *,
    group: GroupOption = None,
) -> None:
    """Undo the exclusion of a device."""
    await _order(session, device, deployment, "include", group, "", "reaches again")


async def _order(
    session: Session,
    device: str,
    deployment: str,
    action: str,
    group: str | None,
    reason: str,
    what: str,
) -> None:
    base = path(*segments_of(device), "deployments", deployment)
    query = path("", groupId=group) if group is not None else ""
    body: Mapping[str, Any] = {"reason": reason}
    _, changed = await session.rest.request("POST", f"{base}:{action}{query}", body)
    if session.output.is_json:
        session.output.document(changed)
        return
    named = "any deployment" if deployment == "*" else f"deployment {deployment}"
    session.output.done(f"{named} {what} {device}")
