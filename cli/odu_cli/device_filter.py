"""The options that select devices, and the filter of the API that they make."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from odu_cli import arguments


class DeploymentStatus(StrEnum):
    """State of a device in its last deployment; `none`: it never had one."""

    SUCCEEDED = "Succeeded"
    IN_PROGRESS = "InProgress"
    CANCELED = "Canceled"
    FAILED = "Failed"
    NONE = "none"


class Condition(StrEnum):
    """What may be wrong with a device."""

    STUCK = "Stuck"
    SILENT = "Silent"
    UNHEALTHY = "Unhealthy"


GroupOption = Annotated[
    str | None, typer.Option("--group", "-g", metavar="GROUP", help="Only of this group.")
]
ClassOption = Annotated[
    str | None, typer.Option("--class", metavar="ID", help="Only of this device class.")
]
StatusOption = Annotated[
    DeploymentStatus | None,
    typer.Option("--status", case_sensitive=False, help="Only in this state."),
]
CodeOption = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="Only those that failed with it.")
]
InstalledOption = Annotated[
    str | None,
    typer.Option("--installed", metavar="UPDATE", help="Only with this update, or with `none`."),
]
LatestOption = Annotated[
    bool | None,
    typer.Option("--latest/--not-latest", help="Only on the latest update that fits, or not."),
]
HeardOption = Annotated[
    str | None,
    typer.Option("--heard-before", metavar="DATE", help="Only those silent since (ISO 8601, UTC)."),
]
ConnectedOption = Annotated[
    bool | None,
    typer.Option("--connected/--disconnected", help="Only those of which the hub told so."),
]
ConditionOption = Annotated[
    Condition | None,
    typer.Option("--condition", case_sensitive=False, help="Only with this wrong."),
]
PrefixOption = Annotated[
    str | None, typer.Option("--prefix", metavar="TEXT", help="Only whose id begins so.")
]


def filter_text(
    *,
    group: str | None = None,
    device_class: str | None = None,
    status: DeploymentStatus | None = None,
    code: str | None = None,
    installed: str | None = None,
    latest: bool | None = None,
    heard_before: str | None = None,
    connected: bool | None = None,
    condition: Condition | None = None,
    prefix: str | None = None,
) -> str | None:
    """The filter that options make; None if none is given.

    Raises:
        typer.BadParameter: An update is written wrongly.
    """
    bare = installed == "none"
    update = None if installed is None or bare else str(arguments.update_id(installed))
    never = status is DeploymentStatus.NONE
    equals = {
        "groupId": _quoted(group),
        "deviceClassId": _quoted(device_class),
        "deploymentStatus": "null" if never else _quoted(status and status.value),
        "failureCode": _quoted(code and code.removeprefix("0x")),
        "installedUpdate": "null" if bare else _quoted(update),
        "onLatestUpdate": None if latest is None else str(latest).lower(),
        "isConnected": None if connected is None else str(connected).lower(),
        "state": _quoted(condition and condition.value),
    }
    terms = [f"{name} eq {value}" for name, value in equals.items() if value is not None]
    if heard_before is not None:
        terms.append(f"lastContactDateTime lt {arguments.quoted(heard_before)}")
    if prefix is not None:
        terms.append(f"startswith(deviceId,{arguments.quoted(prefix)})")
    return " and ".join(terms) or None


def _quoted(text: str | None) -> str | None:
    return None if text is None else arguments.quoted(text)
