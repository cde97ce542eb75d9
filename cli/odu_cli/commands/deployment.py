"""`odu deployment`: deploys updates to groups, follows, cancels and retries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import typer

from odu_cli import PROGRAM, arguments
from odu_cli.command import (
    GroupOption,
    Session,
    WatchOption,
    command,
    command_group,
)
from odu_cli.commands import deployment_changes, deployment_rollouts
from odu_cli.deployment_classes import DEPLOYMENT, ClassOption, classes_of, device_states
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.output import FAILURES, Column, device_name, moment, update_name
from odu_cli.rest import RestError, deployment_path, path
from odu_cli.rollouts.options import RolloutOptions, with_rollout_options
from shared.domain.updates.update_id import UpdateId

app = command_group(
    "Deployments: an update for a group.",
    "deployment create --group pilot --update contoso/toaster/1.2 --watch",
    "deployment create -g north -u contoso/toaster/1.2 --start 2030-01-01T02:00:00Z",
    "    --rollback-to contoso/toaster/1.1 --failed-percentage 10 --failed-count 5",
    "deployment create -g north -u contoso/toaster/1.2 --phases 1%,10%,50%,100% --bake 12h",
    "    --pause-above 3% --window '0 1 * * * for 4h in device' --watch",
    "deployment status d-1f0c3a --group pilot --watch",
    "deployment pause d-1f0c3a --group pilot --reason 'looks odd'",
    "deployment cancel d-1f0c3a --group pilot",
    "deployment retry d-1f0c3a --group pilot",
)


class DeviceState(StrEnum):
    """State of a device in a deployment."""

    SUCCEEDED = "Succeeded"
    IN_PROGRESS = "InProgress"
    CANCELED = "Canceled"
    FAILED = "Failed"


def _notes(item: Any) -> str | None:
    words = {
        "isCanceled": "cancelled",
        "isRetried": "retried",
        "isCloudInitiatedRollback": "rollback",
        "isUpdateDeleted": "update deleted",
    }
    return ", ".join(word for field, word in words.items() if item.get(field)) or None


def _phase_figures(phase: Mapping[str, Any]) -> str:
    from odu_cli.rollouts.watching import figures

    return figures(phase)


_COLUMNS = [
    Column("DEPLOYMENT", lambda item: item["deploymentId"]),
    Column("GROUP", lambda item: item["groupId"]),
    Column("UPDATE", lambda item: update_name(item["update"])),
    Column("START", lambda item: moment(item["startDateTime"])),
    Column("NOTES", _notes),
]
_PHASES = [
    Column("PHASE", lambda item: item["name"]),
    Column("STATUS", lambda item: item["status"]),
    Column("ASKED", lambda item: item["asked"], is_number=True),
    Column("DEVICES", _phase_figures),
    Column("OPENED", lambda item: moment(item.get("openedAt"))),
    Column("PASSED", lambda item: moment(item.get("passedAt"))),
]
_DEVICES = [
    Column("DEVICE", device_name),
    Column("STATE", lambda item: item["deviceState"]),
    Column("RETRIES", lambda item: item["retryCount"], is_number=True),
    Column("MOVED ON", lambda item: item["movedOnToNewDeployment"]),
    Column("FAILURE", lambda item: (item.get("failure") or {}).get("message")),
    Column("DEVICE CLASS", lambda item: item["deviceClassId"]),
]


@command(app, "create")
@with_rollout_options
async def create_deployment(
    session: Session,
    *,
    group: GroupOption,
    update: Annotated[
        str, typer.Option("--update", "-u", metavar="PROVIDER/NAME/VERSION", help="The update.")
    ],
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id, if not random.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601; at once by default.")
    ] = None,
    rollback_to: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/NAME/VERSION", help="Update to go back to on failures."),
    ] = None,
    failed_percentage: Annotated[
        int, typer.Option(metavar="N", min=0, max=100, help="Failures that are too many, in %.")
    ] = 0,
    failed_count: Annotated[
        int, typer.Option(metavar="N", min=0, help="Failures that are too many, in devices.")
    ] = 1,
    watch: WatchOption = False,
    options: RolloutOptions,
) -> None:
    """Deploy an update to a group: to all its devices at once, or by phases."""
    policy = None
    if rollback_to is not None:
        policy = {
            "update": {"updateId": arguments.update_id(rollback_to).to_wire()},
            "failure": {
                "devicesFailedPercentage": failed_percentage,
                "devicesFailedCount": failed_count,
            },
        }
    wanted = arguments.update_id(update)
    try:
        chosen = await session.rest.deploy(
            group,
            wanted.to_wire(),
            identity,
            starts_at=start or datetime.now(UTC).isoformat(),
            rollback_policy=policy,
            only_new=True,
            rollout=options.document(),
        )
        session.output.done(f"deployment {chosen} of {update} to group {group}")
    except RestError as error:
        if error.status != HTTPStatus.PRECONDITION_FAILED or identity is None:
            raise
        chosen = identity
        await _check_same(session, group, chosen, wanted)
        session.output.note(f"deployment {chosen} of {update} to group {group} exists already")
    if watch:
        await _follow(session, group, chosen)
    elif session.output.is_json:
        session.output.document(await session.rest.get(deployment_path(group, chosen)))
    else:
        session.output.note(
            f"follow it: {PROGRAM} deployment status {chosen} --group {group} --watch"
        )


async def _check_same(session: Session, group: str, identity: str, update: UpdateId) -> None:
    """Let a deployment pass that is there already, if it is what is asked for and goes on.

    Raises:
        Refused: It is another one, or was cancelled.
    """
    known = await session.rest.get(deployment_path(group, identity))
    if known.get("isCanceled"):
        reason = "was cancelled; choose another --id"
    elif update_name(known["update"]) != str(update):
        reason = f"deploys {update_name(known['update'])}; choose another --id"
    else:
        return
    raise Refused(ExitCode.CONFLICT, f"deployment {identity} of group {group} exists and {reason}")


@command(app, "status")
async def show_status(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    watch: WatchOption = False,
) -> None:
    """Show how far a deployment is; with --watch, exit code 0 says that every device succeeded."""
    if watch:
        await _follow(session, group, deployment)
        return
    status = await session.rest.get(f"{deployment_path(group, deployment)}/status")
    if session.output.is_json:
        session.output.document(status)
        return
    from odu_cli.failure_codes import in_full
    from odu_cli.watching import class_names

    about = await session.rest.get(deployment_path(group, deployment))
    session.output.fields(
        [
            ("deployment", deployment),
            ("group", group),
            ("update", update_name(about["update"])),
            ("start", moment(about["startDateTime"])),
            ("state", status["deploymentState"]),
            ("notes", _notes(about)),
            ("error", (status.get("error") or {}).get("message")),
            ("revision", about.get("revision")),
            ("roll-out", _rollout_line(about)),
            ("now", _now_line(about)),
        ]
    )
    if about.get("rollout"):
        session.output.table(_PHASES, about["rollout"]["state"]["phases"], title="Phases")
    names = await class_names(session)
    session.output.table(_subgroup_columns(names), status["subgroupStatus"], title="Device classes")
    counted = [item for one in status["subgroupStatus"] for item in one.get("failures") or ()]
    failing = [one["deviceClassId"] for one in status["subgroupStatus"] if one.get("failures")]
    failures = await in_full(counted, device_states(session, group, deployment, failing, "Failed"))
    session.output.table(FAILURES, failures, title="Failures")


@command(app, "devices")
async def list_devices(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    classes: ClassOption = None,
    status: Annotated[
        DeviceState | None, typer.Option(case_sensitive=False, help="Only with this state.")
    ] = None,
) -> None:
    """List the devices of a deployment with their states."""
    chosen = await classes_of(session, group, deployment, classes)
    devices = device_states(session, group, deployment, chosen, status)
    await session.output.listing(devices, _DEVICES, "no device has been asked yet")


@command(app, "list")
async def list_deployments(
    session: Session,
    *,
    group: Annotated[
        str | None, typer.Option("--group", "-g", metavar="GROUP", help="Only of this group.")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option(metavar="ORDER", help="Such as 'startDateTime desc'.")
    ] = None,
) -> None:
    """List deployments, of one group or group by group."""

    async def deployments() -> AsyncIterator[Any]:
        rest = session.rest
        if group is None:
            groups = [item["groupId"] async for item in rest.items("management/groups")]
        else:
            groups = [group]
        for each in groups:
            address = path("management", "groups", each, "deployments", orderby=order_by)
            async for item in rest.items(address):
                yield item

    await session.output.listing(deployments(), _COLUMNS, "there are no deployments")


async def _follow(session: Session, group: str, deployment: str) -> None:
    if (await session.rest.get(deployment_path(group, deployment))).get("rollout"):
        await _follow_rollout(session, group, deployment)
        return
    from odu_cli.watching import follow_deployment, judge

    status = await follow_deployment(session, group, deployment)
    judge(status, deployment)
    if session.output.is_json:
        session.output.document(status)
    else:
        session.output.done(f"deployment {deployment}: every device succeeded")


async def _follow_rollout(session: Session, group: str, deployment: str) -> None:
    from odu_cli.rollouts.watching import follow_rollout, judge_rollout

    found = await follow_rollout(session, group, deployment)
    judge_rollout(found)
    if session.output.is_json:
        session.output.document(found)
    else:
        session.output.done(f"deployment {deployment}: the roll-out is complete")


def _rollout_line(about: Mapping[str, Any]) -> str | None:
    if not about.get("rollout"):
        return None
    from odu_cli.rollouts.watching import summary

    return summary(about["rollout"]["state"])


def _now_line(about: Mapping[str, Any]) -> str | None:
    if not about.get("rollout"):
        return None
    from odu_cli.rollouts.watching import waiting

    return waiting(about["rollout"]["state"])


def _subgroup_columns(names: dict[str, str]) -> list[Column]:
    def number(heading: str, field: str) -> Column:
        return Column(heading, lambda item: item.get(field), is_number=True)

    return [
        Column("NAME", lambda item: names.get(item["deviceClassId"])),
        Column("STATE", lambda item: item["deploymentState"]),
        number("DEVICES", "totalDevices"),
        number("IN PROGRESS", "devicesInProgressCount"),
        number("SUCCEEDED", "devicesCompletedSucceededCount"),
        number("FAILED", "devicesCompletedFailedCount"),
        number("CANCELLED", "devicesCanceledCount"),
        Column("DEVICE CLASS", lambda item: item["deviceClassId"]),
    ]


deployment_changes.register(app)
deployment_rollouts.register(app)
