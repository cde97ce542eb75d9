"""The words of explanations: each code with its sentence and what it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.domain.fleet.device import evidence_of, view
from shared.domain.fleet.failure import failure_of
from shared.domain.fleet.orders import OrderKind, order_of
from shared.domain.fleet.reconcile_decision import Why
from shared.domain.fleet.windows import NEVER, shown_zone
from shared.domain.instant import later
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.selection import PLACES, phase_of, place_of
from shared.domain.rollouts.specification import Rollout

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment
    from shared.domain.fleet.device import DeviceRecord

type Decides = Literal["Has", "WillGet", "InProgress", "Waits", "WillNot", "Failed"] | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code decides, None where it only tells, and its sentence."""

    verdict: Decides
    words: str


@dataclass(frozen=True, slots=True)
class Said:
    """A code with what its sentence needs. `until` is when it ends by itself."""

    code: str
    data: Mapping[str, Any] = field(default_factory=dict)
    until: str = ""


_MEANINGS: Mapping[str, tuple[Decides, str]] = {
    "DeviceUnknown": ("WillNot", "The service knows no device '{device}'."),
    "DeviceDeleted": ("WillNot", "'{device}' was deleted at {at}."),
    "UpdateUnknown": ("WillNot", "There is no update '{update}'."),
    "UpdateRecalled": ("WillNot", "It was recalled at {at}: {reason}"),
    "UpdateNotDeployable": ("WillNot", "It only serves as a part of others."),
    "NoAgent": (
        "WillNot",
        "The device has not reported what updates fit it: its agent has not introduced itself, or "
        "a property is missing or no short text.",
    ),
    "ClassHeldBack": (
        "Waits",
        "The device's class is new, as too many are at the moment; it is taken in as time goes by.",
    ),
    "Installed": (
        "Has",
        "It is installed, by deployment '{deployment}' of group '{group}', since {at}.",
    ),
    "Reverted": (
        "WillNot",
        "It was installed at {at}, but now the device reports '{now}': it has probably gone back "
        "by itself.",
    ),
    "NewerInstalled": (None, "Version {version} of the same update is installed."),
    "NotCompatible": (
        "WillNot",
        "No compatibility set of the update fits; the nearest asks {property} = '{wants}', the "
        "device has '{has}'.",
    ),
    "NoDeployment": ("WillNot", "Nobody has deployed it to the device or its group."),
    "NotInGroup": ("WillNot", "It is deployed to {groups}; the device is in '{group}'."),
    "Excluded": ("WillNot", "{by} excluded the device at {at}: {reason}"),
    "CanceledForDevice": ("WillNot", "{by} cancelled '{deployment}' for this device at {at}."),
    "CanceledForClass": ("WillNot", "'{deployment}' is cancelled for its device class."),
    "Aborted": ("WillNot", "'{deployment}' was aborted at {at}: {reason}"),
    "Rejected": ("WillNot", "'{deployment}' was rejected at {at}: {reason}"),
    "Ended": ("WillNot", "'{deployment}' has ended at {at}."),
    "RolledBack": ("WillNot", "'{deployment}' was rolled back: {reason}"),
    "DeploymentRecalled": (
        "WillNot",
        "'{deployment}' ended when its update was recalled: {reason}",
    ),
    "AwaitingApproval": (
        "Waits",
        "'{deployment}' waits for approval of its revision {revision} by somebody else than those "
        "who made or edited it.",
    ),
    "NotStarted": ("Waits", "'{deployment}' starts at {at}."),
    "Superseded": (
        "WillNot",
        "'{by}', which deploys {update}, comes before '{deployment}': {why}.",
    ),
    "GoneFurther": ("WillNot", "The device has been asked for a newer deployment than that."),
    "AnsweredBefore": (
        "WillNot",
        "The device has already answered '{deployment}'; retry to ask it again.",
    ),
    "Paused": ("Waits", "'{deployment}' is paused since {at}: {reason}"),
    "PhaseNotReached": (
        "Waits",
        "It comes in phase {phase}, '{name}' (place {place} %); phase {open} {waits}.",
    ),
    "NoPhase": ("WillNot", "No phase of '{deployment}' reaches the device (place {place} %)."),
    "WindowClosed": (
        "Waits",
        "The window is closed; it opens at {at}, {local} in {zone} (from {source}).",
    ),
    "WindowNeverOpens": ("WillNot", "No window opens within a year in which it may be asked."),
    "UnreadableWindow": (
        None,
        "Its tag 'updateWindow' cannot be read and counts as none; write it as '0 1 * * mon-fri "
        "for 4h in Europe/Berlin'.",
    ),
    "UnknownZone": (None, "No time zone is called '{zone}'; the fallback zone is used."),
    "Unexplained": (
        None,
        "The device reports a failure of something else than it was asked; its twin is being read.",
    ),
    "NoRoom": (
        "WillGet",
        "{most} devices are asked at a time; it is asked once others have ended.",
    ),
    "RateLimited": ("WillGet", "{rate} devices are asked a minute; its turn comes."),
    "Queued": ("WillGet", "It is due by '{deployment}'; the command is on its way."),
    "AskedNoSign": (
        "InProgress",
        "It was asked at {at} and has not answered; it was last heard at {heard} ({connection}).",
    ),
    "Silent": (
        "Waits",
        "It was not heard for {limit} after it was asked; it is asked again at its next sign of "
        "life.",
    ),
    "Withdrawn": (
        "Waits",
        "The command was taken back at {at}; it is asked again at its next sign of life.",
    ),
    "InProgress": ("InProgress", "It works on it; its last report is of {at}."),
    "Stuck": ("InProgress", "It has begun and reports no more since {at}."),
    "Failed": ("Failed", "It failed at {at} with {failure}: {meaning} {next}"),
    "CanceledByDevice": ("WillNot", "The device gave up the command at {at}."),
    "Canceling": ("Waits", "It was told to stop something and has not said yet that it has."),
    "WorksOnAnother": ("Waits", "It works on '{other}', which is stopped first."),
    "HoldsFailedUpdate": (
        "Waits",
        "Its agent still holds '{other}', whose download failed; it is asked once the agent has "
        "started again.",
    ),
}


def verdict_of(code: str) -> Meaning:
    """What a code decides, and its sentence."""
    return Meaning(*_MEANINGS[code])


def sentence_of(
    record: DeviceRecord, deployment: Deployment, why: Why, until: str, now: str
) -> Said | None:
    """What one thing that the decision looked at means for people; None if nothing.

    Args:
        record: The device.
        deployment: What was looked at, or waits for it.
        why: What was seen.
        until: When that ends by itself.
        now: ISO 8601, UTC.
    """
    say = _SENTENCES.get(why)
    if say is None:
        return None
    return say(record, deployment, until, now)


type _Say = Callable[["DeviceRecord", "Deployment", str, str], Said | None]


def _plain(code: str) -> _Say:
    def say(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
        return Said(code, {"deployment": deployment.deployment_id}, until)

    return say


def _ordered(code: str, kind: OrderKind) -> _Say:
    def say(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
        order = order_of(record.orders, kind, deployment.workflow_id)
        data = {"by": order.by, "at": order.at, "reason": order.reason} if order else {}
        return Said(code, {"deployment": deployment.deployment_id, **data})

    return say


def _about(deployment: Deployment, progress: Progress, **more: Any) -> dict[str, Any]:
    reason = progress.reason
    return {
        "deployment": deployment.deployment_id,
        "at": progress.since,
        "reason": reason.message if reason else None,
        **more,
    }


def _not_started(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    progress = deployment.progress
    if progress is not None and progress.status is Status.REJECTED:
        return Said("Rejected", _about(deployment, progress))
    if progress is not None and progress.unapproved_since:
        return _unapproved(deployment)
    starts_at = deployment.starts_at
    return Said("NotStarted", {"deployment": deployment.deployment_id, "at": starts_at}, starts_at)


def _unapproved(deployment: Deployment) -> Said:
    return Said(
        "AwaitingApproval",
        {"deployment": deployment.deployment_id, "revision": deployment.revision},
    )


def _paused(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said | None:
    progress = deployment.progress
    if progress is None:
        return None
    if progress.shown is Status.AWAITING_APPROVAL:
        return _unapproved(deployment)
    return Said("Paused", _about(deployment, progress))


_ENDS = {
    Status.ABORTED: "Aborted",
    Status.REJECTED: "Rejected",
    Status.ENDED: "Ended",
    Status.ROLLED_BACK: "RolledBack",
}


def _ended(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    if deployment.recall_reason is not None:
        data = {"deployment": deployment.deployment_id, "reason": deployment.recall_reason}
        return Said("DeploymentRecalled", data)
    progress = deployment.progress
    if progress is None:
        return Said("Ended", {"deployment": deployment.deployment_id})
    return Said(_ENDS.get(progress.status, "Ended"), _about(deployment, progress))


def _phase(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said | None:
    rollout, progress = deployment.rollout, deployment.progress
    if rollout is None or progress is None:
        return None
    place = round(100 * place_of(record.device_id, deployment.seed) / PLACES, 2)
    index = _phase_to_come(record, deployment, rollout, progress)
    data = {"deployment": deployment.deployment_id, "place": place}
    if index is None:
        return Said("NoPhase", data)
    return Said(
        "PhaseNotReached",
        {
            **data,
            "phase": index + 1,
            "name": rollout.phase_name(index),
            "open": progress.phase + 1,
        },
    )


def _phase_to_come(
    record: DeviceRecord, deployment: Deployment, rollout: Rollout, progress: Progress
) -> int | None:
    seen = view(record)
    class_id = seen.device_class.class_id if seen.device_class else ""
    last = len(rollout.phases) - 1
    found = phase_of(rollout.phases, deployment.seed, record.device_id, class_id, last)
    return found if found is not None and found > progress.phase else None


def _closed(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    about = {"deployment": deployment.deployment_id}
    if until == NEVER:
        return Said("WindowNeverOpens", about)
    zone, source = shown_zone(deployment, record)
    local = datetime.fromisoformat(until).astimezone(zone).isoformat(" ", "minutes")
    found = {**about, "at": until, "local": local, "zone": zone.key, "source": source}
    return Said("WindowClosed", found, until)


def _asked(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    at = record.commanded.stamp if record.commanded else None
    if not record.connection_sequence:
        connection = "its connection is not known"
    elif record.is_connected:
        connection = "it is connected"
    else:
        connection = f"it is disconnected since {record.connection_at or 'long'}"
    data = {"at": at, "heard": record.heard_at or None, "connection": connection}
    return Said("AskedNoSign", data)


def _silent(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    limit = deployment.rollout.deadlines.start if deployment.rollout else None
    return Said("Silent", {"limit": limit})


def _withdrawn(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    return Said("Withdrawn", {"at": record.commanded.withdrawn_at if record.commanded else None})


def _in_progress(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    known, rollout = evidence_of(record), deployment.rollout
    at = known.at if known else ""
    if at and rollout is not None and later(at, rollout.deadlines.until_stuck) <= now:
        return Said("Stuck", {"at": at})
    return Said("InProgress", {"at": at})


def _failed(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    known = evidence_of(record)
    refusal = record.commanded.refusal if record.commanded else ""
    failure = failure_of(known.extended_result_codes if known else (), refusal)
    return Said(
        "Failed",
        {
            "at": known.at if known else None,
            "failure": failure.code,
            "meaning": failure.message,
            "next": failure.next_step,
        },
    )


def _given_up(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
    known = evidence_of(record)
    return Said("CanceledByDevice", {"at": known.at if known else None})


def _other(code: str) -> _Say:
    def say(record: DeviceRecord, deployment: Deployment, until: str, now: str) -> Said:
        other = record.commanded.update_id if record.commanded else None
        return Said(code, {"other": str(other) if other else None}, until)

    return say


_SENTENCES: Mapping[Why, _Say] = {
    Why.NOT_STARTED: _not_started,
    Why.EXCLUDED: _ordered("Excluded", OrderKind.EXCLUDE),
    Why.CANCELED_FOR_DEVICE: _ordered("CanceledForDevice", OrderKind.CANCEL),
    Why.CANCELED_FOR_CLASS: _plain("CanceledForClass"),
    Why.ENDED: _ended,
    Why.PAUSED: _paused,
    Why.ROLLED_BACK: _plain("RolledBack"),
    Why.PHASE_NOT_REACHED: _phase,
    Why.GONE_FURTHER: _plain("GoneFurther"),
    Why.ANSWERED_BEFORE: _plain("AnsweredBefore"),
    Why.WINDOW_CLOSED: _closed,
    Why.ASKED: _asked,
    Why.IN_PROGRESS: _in_progress,
    Why.FAILED: _failed,
    Why.CANCELED_BY_DEVICE: _given_up,
    Why.CANCELING: _other("Canceling"),
    Why.WITHDRAWN: _withdrawn,
    Why.SILENT: _silent,
    Why.WORKS_ON_ANOTHER: _other("WorksOnAnother"),
    Why.AGENT_HOLDS_FAILED_UPDATE: _other("HoldsFailedUpdate"),
}
