"""`odu group`: groups of devices, how far they are, and what they could take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from odu_cli.command import Session, command, command_group
from odu_cli.output import FAILURES, Column, moment, update_name
from odu_cli.rest import path

app = command_group(
    "Groups of devices: the values of the twin tag ADUGroup.",
    "group list",
    "group list --order-by 'deviceCount desc'",
    "group show pilot",
    "group show '$default' --json | jq .updateCompliance",
)

_COLUMNS = [
    Column("GROUP", lambda item: item["groupId"]),
    Column("DEVICES", lambda item: item.get("deviceCount"), is_number=True),
    Column("DEPLOYMENTS", lambda item: ", ".join(item.get("deployments") or ()) or None),
    Column("CREATED", lambda item: moment(item["createdDateTime"])),
]


@command(app, "list")
async def list_groups(
    session: Session,
    *,
    order_by: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Such as 'deviceCount desc'.")
    ] = None,
) -> None:
    """List the groups; the default group comes first."""
    groups = session.rest.items(path("management", "groups", orderby=order_by))
    await session.output.listing(groups, _COLUMNS, "there are no groups yet")


@command(app, "show")
async def show_group(
    session: Session, group: Annotated[str, typer.Argument(metavar="GROUP", help="Its id.")]
) -> None:
    """Show a group: compliance, device classes and the best update for each."""
    rest, base = session.rest, path("management", "groups", group)
    found = {
        "group": await rest.get(base),
        "updateCompliance": await rest.get(f"{base}/updateCompliance"),
        "subgroups": [item async for item in rest.items(f"{base}/deviceClassSubgroups")],
        "bestUpdates": [item async for item in rest.items(f"{base}/bestUpdates")],
        "failures": [item async for item in rest.items(f"{base}/failures")],
    }
    if session.output.is_json:
        session.output.document(found)
        return
    from odu_cli.watching import class_names

    figures = found["updateCompliance"]
    session.output.fields(
        [
            ("group", found["group"]["groupId"]),
            ("created", moment(found["group"]["createdDateTime"])),
            ("devices", figures["totalDeviceCount"]),
            ("on latest update", figures["onLatestUpdateDeviceCount"]),
            ("new update available", figures["newUpdatesAvailableDeviceCount"]),
            ("update in progress", figures["updatesInProgressDeviceCount"]),
            ("deployments", ", ".join(found["group"].get("deployments") or ())),
        ]
    )
    names = await class_names(session)
    best = {item["deviceClassId"]: update_name(item["update"]) for item in found["bestUpdates"]}
    session.output.table(_subgroups(names, best), found["subgroups"], title="Device classes")
    session.output.table(FAILURES, found["failures"], title="Failures")


def _subgroups(names: Mapping[str, str], best: Mapping[str, str]) -> list[Column]:
    return [
        Column("NAME", lambda item: names.get(item["deviceClassId"])),
        Column("DEVICES", lambda item: item.get("deviceCount"), is_number=True),
        Column("BEST UPDATE", lambda item: best.get(item["deviceClassId"])),
        Column("DEPLOYMENT", lambda item: item.get("deploymentId")),
        Column("DEVICE CLASS", lambda item: item["deviceClassId"]),
    ]
