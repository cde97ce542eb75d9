"""The device classes that a deployment concerns, and its devices class by class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

import typer

from odu_cli import arguments
from odu_cli.command import Session
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.rest import deployment_path, path

DEPLOYMENT = typer.Argument(metavar="DEPLOYMENT", help="Its id.")
ClassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--class", metavar="ID", help="Only for this device class; may be repeated. All by default."
    ),
]


async def classes_of(
    session: Session, group: str, deployment: str, chosen: list[str] | None
) -> list[str]:
    """The device classes to act on: those chosen, or all of the deployment."""
    if chosen:
        return chosen
    status = await session.rest.get(f"{deployment_path(group, deployment)}/status")
    found = [str(one["deviceClassId"]) for one in status["subgroupStatus"]]
    if not found:
        raise Refused(
            ExitCode.CONFLICT, f"deployment {deployment} concerns no device of group {group} yet"
        )
    return found


async def device_states(
    session: Session, group: str, deployment: str, classes: Iterable[str], state: str | None
) -> AsyncIterator[Any]:
    """The devices of some classes with their states in a deployment, or those in one state."""
    wanted = None if state is None else f"deviceState eq {arguments.quoted(state)}"
    for class_id in classes:
        base = subgroup_path(group, class_id, deployment)
        async for item in session.rest.items(f"{base}/{path('devicestates', filter=wanted)}"):
            yield {**item, "deviceClassId": class_id}


def subgroup_path(group: str, class_id: str, deployment: str) -> str:
    """Where a deployment is, for one class."""
    return path(
        "management", "groups", group, "deviceClassSubgroups", class_id, "deployments", deployment
    )
