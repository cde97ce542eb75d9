"""`odu deployment` for what was deployed: cancel, retry, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from odu_cli.command import CommandCoroutine, GroupOption, Session, YesOption, command
from odu_cli.deployment_classes import DEPLOYMENT, ClassOption, classes_of, subgroup_path
from odu_cli.rest import RestError, deployment_path


def register(app: typer.Typer) -> None:
    """Add the commands to `odu deployment`."""
    command(app, "cancel")(cancel_deployment)
    command(app, "retry")(retry_deployment)
    command(app, "delete")(delete_deployment)


async def cancel_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    classes: ClassOption = None,
) -> None:
    """Cancel a deployment; devices that have finished keep what they have."""
    await _act(session, "cancel", group, deployment, classes)


async def retry_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    classes: ClassOption = None,
) -> None:
    """Try a deployment again on the devices where it failed."""
    await _act(session, "retry", group, deployment, classes)


def delete_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    yes: YesOption = False,
) -> CommandCoroutine:
    """Delete a deployment; devices keep what they have."""
    session.check_askable(is_confirmed=yes)

    async def work() -> None:
        from odu_cli.deployment_bars import Counts

        if not yes:
            status = await session.rest.get(f"{deployment_path(group, deployment)}/status")
            counts = Counts.of(status)
            session.confirm(
                f"Delete deployment {deployment} of group {group} "
                f"(devices: {counts.total:,}; {counts})?",
                is_confirmed=False,
            )
        await session.rest.request("DELETE", deployment_path(group, deployment))
        if session.output.is_json:
            session.output.document({"deploymentId": deployment, "groupId": group})
        session.output.done(f"deployment {deployment} is deleted")

    return work()


async def _act(
    session: Session, action: str, group: str, deployment: str, classes: list[str] | None
) -> None:
    """Cancel or retry for each device class; it fails if it can be done for none."""
    done: list[Any] = []
    refusals: list[RestError] = []
    found = await classes_of(session, group, deployment, classes)
    for class_id in found:
        address = f"{subgroup_path(group, class_id, deployment)}:{action}"
        try:
            done.append((await session.rest.request("POST", address))[1])
        except RestError as error:
            if error.status != 409:
                raise
            refusals.append(error)
            if len(found) > 1:  # else it is the sentence that the command ends with
                session.output.note(f"{class_id}: {error.error.get('message')}")
    if refusals and not done:
        raise refusals[0]
    if session.output.is_json:
        session.output.document(done)
    plural = "class" if len(done) == 1 else "classes"
    word = "cancelled" if action == "cancel" else "tried again"
    session.output.done(f"deployment {deployment} is {word} for {len(done)} device {plural}")
