"""`odu deployment` for roll-outs: plan, pause, resume, advance, abort, approve, reject, history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from odu_cli import arguments
from odu_cli.command import GroupOption, Session, YesOption, command
from odu_cli.deployment_classes import DEPLOYMENT
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.output import Column, moment
from odu_cli.rest import deployment_path
from odu_cli.rollouts.options import RolloutOptions, with_rollout_options

_REVISION = typer.Option(
    "--revision", metavar="N", min=1, help="Only if this is still its revision; seen by default."
)
_PLANNED = [
    Column("PHASE", lambda item: item["name"]),
    Column("DEVICES", lambda item: item["devices"]["expected"], is_number=True),
    Column("RANGE", lambda item: f"{item['devices']['least']} to {item['devices']['most']}"),
    Column("OPENS", lambda item: moment(item.get("opensAt"))),
    Column("ASKING", lambda item: item["asking"].removeprefix("P").removeprefix("T").lower()),
    Column("BAKE", lambda item: item["bake"].removeprefix("P").removeprefix("T").lower()),
    Column("THEN", lambda item: "a person goes on" if item["waitsForPerson"] else None),
]
_LEFT_OUT = [
    Column("DEVICES", lambda item: item["devices"], is_number=True),
    Column("WHY", lambda item: item["message"]),
    Column("DEVICE CLASS", lambda item: item.get("deviceClassId")),
]
_WARNINGS = [
    Column("CODE", lambda item: item["code"]),
    Column("WHAT", lambda item: item["message"]),
]
_HISTORY = [
    Column("AT", lambda item: moment(item["at"])),
    Column("WHAT", lambda item: item["step"]),
    Column("BY", lambda item: item["actor"]),
    Column("REVISION", lambda item: item["revision"], is_number=True),
    Column("STATUS", lambda item: item.get("status")),
    Column("PHASE", lambda item: item["phase"] + 1 if "phase" in item else None, is_number=True),
    Column("WHY", lambda item: item.get("message")),
    Column("FIGURES", lambda item: _figures(item.get("figures") or {})),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `odu deployment`."""
    command(app, "plan")(with_rollout_options(plan_deployment))
    command(app, "pause")(pause_deployment)
    command(app, "resume")(resume_deployment)
    command(app, "advance")(advance_deployment)
    command(app, "abort")(abort_deployment)
    command(app, "approve")(approve_deployment)
    command(app, "reject")(reject_deployment)
    command(app, "history")(show_history)


async def plan_deployment(
    session: Session,
    deployment: Annotated[
        str | None, typer.Argument(metavar="[DEPLOYMENT]", help="A stored one, by its id.")
    ] = None,
    *,
    group: GroupOption,
    update: Annotated[
        str | None,
        typer.Option(
            "--update", "-u", metavar="PROVIDER/NAME/VERSION", help="Update of one not stored."
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601; at once by default.")
    ] = None,
    options: RolloutOptions,
) -> None:
    """Say what a deployment would do, stored or not; nothing is done."""
    if (deployment is None) == (update is None):
        raise typer.BadParameter("give the id of a deployment, or --update for one not stored")
    identity, body = deployment or "planned", None
    if update is not None:
        body = {
            "deploymentId": identity,
            "groupId": group,
            "startDateTime": start or datetime.now(UTC).isoformat(),
            "update": {"updateId": arguments.update_id(update).to_wire()},
        }
        rollout = options.document()
        if rollout is not None:
            body["rollout"] = rollout
    address = f"{deployment_path(group, identity)}:plan"
    _, plan = await session.rest.request("POST", address, body)
    if session.output.is_json:
        session.output.document(plan)
        return
    session.output.fields(
        [
            ("devices", plan["targetedDevices"]),
            ("needs approval", plan["needsApproval"]),
            ("ends about", moment(plan.get("estimatedEnd"))),
        ]
    )
    session.output.table(_PLANNED, plan["phases"], title="Phases")
    session.output.table(_LEFT_OUT, plan["notTargeted"], title="Not asked")
    session.output.table(_WARNINGS, plan["warnings"], title="Warnings")


async def pause_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="For the history.")] = "",
    withdraw: Annotated[
        bool,
        typer.Option("--withdraw", metavar="", help="Also take back commands not begun."),
    ] = False,
) -> None:
    """Pause a roll-out: nobody new is asked, devices that have begun go on."""
    body = {"reason": reason, "withdraw": withdraw}
    await _act(session, group, deployment, "pause", body, "is paused")


async def resume_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    revision: Annotated[int | None, _REVISION] = None,
) -> None:
    """Resume a roll-out; the failure rule forgives what was seen so far."""
    body = {} if revision is None else {"revision": revision}
    await _act(session, group, deployment, "resume", body, "is resumed")


async def advance_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    phase: Annotated[
        str | None,
        typer.Option(metavar="PHASE", help="Its name or number, from 1; the next by default."),
    ] = None,
) -> None:
    """Open the next phase of a roll-out now, whatever its gate says."""
    found = await session.rest.get(deployment_path(group, deployment))
    state = (found.get("rollout") or {}).get("state")
    if state is None:
        raise Refused(ExitCode.CONFLICT, f"deployment {deployment} has no phases")
    names = [one["name"] for one in state["phases"]]
    index = _phase_index(names, phase, state.get("phase", -1) + 1)
    name = names[index] if index < len(names) else index + 1
    await _act(session, group, deployment, "advance", {"phase": index}, f"is at phase {name}")


async def abort_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="For the history.")] = "",
    yes: YesOption = False,
) -> None:
    """End a roll-out for good: devices that have not ended are told to stop."""
    session.confirm(f"Abort deployment {deployment} of group {group}?", is_confirmed=yes)
    await _act(session, group, deployment, "abort", {"reason": reason}, "is aborted")


async def approve_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    revision: Annotated[int | None, _REVISION] = None,
    remark: Annotated[str, typer.Option(metavar="TEXT", help="For the history.")] = "",
) -> None:
    """Approve a roll-out, as somebody who has not made or edited it."""
    seen = revision or await _revision(session, group, deployment)
    body = {"revision": seen, "remark": remark}
    await _act(session, group, deployment, "approve", body, f"is approved at revision {seen}")


async def reject_deployment(
    session: Session,
    deployment: Annotated[str, DEPLOYMENT],
    *,
    group: GroupOption,
    revision: Annotated[int | None, _REVISION] = None,
    remark: Annotated[str, typer.Option(metavar="TEXT", help="For the history.")] = "",
) -> None:
    """Reject a roll-out: nobody is asked until an edit of it is approved."""
    seen = revision or await _revision(session, group, deployment)
    body = {"revision": seen, "remark": remark}
    await _act(session, group, deployment, "reject", body, f"is rejected at revision {seen}")


async def show_history(
    session: Session, deployment: Annotated[str, DEPLOYMENT], *, group: GroupOption
) -> None:
    """List what has become of a deployment: who, when, why, and the figures seen."""
    past = session.rest.items(f"{deployment_path(group, deployment)}/history")
    await session.output.listing(past, _HISTORY, "nothing has happened yet")


async def _act(
    session: Session, group: str, deployment: str, action: str, body: Mapping[str, Any], what: str
) -> None:
    address = f"{deployment_path(group, deployment)}:{action}"
    _, changed = await session.rest.request("POST", address, body)
    if session.output.is_json:
        session.output.document(changed)
        return
    session.output.done(f"deployment {deployment} {what}")


async def _revision(session: Session, group: str, deployment: str) -> int:
    return int((await session.rest.get(deployment_path(group, deployment)))["revision"])


def _phase_index(names: list[str], phase: str | None, following: int) -> int:
    if phase is None:
        return following
    if phase in names:
        return names.index(phase)
    if phase.isdecimal() and 0 < int(phase) <= len(names):
        return int(phase) - 1
    raise typer.BadParameter(f"the phases are {', '.join(names)}")


def _figures(counts: Mapping[str, int]) -> str | None:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or None
