"""The options that select devices, and the filter of the API that they make."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class DeviceSelection:
    """Which devices: those that every option fits."""

    group: Annotated[
        str | None, typer.Option("--group", "-g", metavar="GROUP", help="Only of this group.")
    ] = None
    device_class: Annotated[
        str | None, typer.Option("--class", metavar="ID", help="Only of this device class.")
    ] = None
    status: Annotated[
        DeploymentStatus | None,
        typer.Option("--status", case_sensitive=False, help="Only in this state."),
    ] = None
    code: Annotated[
        str | None, typer.Option("--code", metavar="CODE", help="Only those that failed with it.")
    ] = None
    installed: Annotated[
        str | None,
        typer.Option(
            "--installed", metavar="UPDATE", help="Only with this update, or with `none`."
        ),
    ] = None
    latest: Annotated[
        bool | None,
        typer.Option("--latest/--not-latest", help="Only on the latest update that fits, or not."),
    ] = None
    heard_before: Annotated[
        str | None,
        typer.Option(
            "--heard-before", metavar="DATE", help="Only those silent since (ISO 8601, UTC)."
        ),
    ] = None
    connected: Annotated[
        bool | None,
        typer.Option("--connected/--disconnected", help="Only those of which the hub told so."),
    ] = None
    condition: Annotated[
        Condition | None,
        typer.Option("--condition", case_sensitive=False, help="Only with this wrong."),
    ] = None
    prefix: Annotated[
        str | None, typer.Option("--prefix", metavar="TEXT", help="Only whose id begins so.")
    ] = None

    def text(self) -> str | None:
        """The filter that they make; None if none is given.

        Raises:
            typer.BadParameter: An update is written wrongly.
        """
        bare = self.installed == "none"
        update = None
        if self.installed is not None and not bare:
            update = str(arguments.update_id(self.installed))
        never = self.status is DeploymentStatus.NONE
        equals = {
            "groupId": _quoted(self.group),
            "deviceClassId": _quoted(self.device_class),
            "deploymentStatus": "null" if never else _quoted(self.status),
            "failureCode": _quoted(self.code and self.code.removeprefix("0x")),
            "installedUpdate": "null" if bare else _quoted(update),
            "onLatestUpdate": _flag(self.latest),
            "isConnected": _flag(self.connected),
            "state": _quoted(self.condition),
        }
        terms = [f"{name} eq {value}" for name, value in equals.items() if value is not None]
        if self.heard_before is not None:
            terms.append(f"lastContactDateTime lt {arguments.quoted(self.heard_before)}")
        if self.prefix is not None:
            terms.append(f"startswith(deviceId,{arguments.quoted(self.prefix)})")
        return " and ".join(terms) or None


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _quoted(text: str | None) -> str | None:
    return None if text is None else arguments.quoted(text)
