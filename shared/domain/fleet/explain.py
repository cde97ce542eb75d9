"""Why a device has, will get, or will not get an update: the decision itself, put into words.

It runs `reconcile.desired_command` with a recorder, so that it cannot say anything else than what
happens. Reasons come in one order, from what concerns the device and the update to what concerns a
deployment and one ask; the first that decides is marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared.contract.compatibility import unmet, value_of
from shared.domain.fleet.device import (
    evidence_of,
    installed_update,
    is_unexplained,
    outcome_of,
    view,
)
from shared.domain.fleet.device_class import is_compatible
from shared.domain.fleet.explain_words import sentence_of, verdict_of
from shared.domain.fleet.reconcile import LINK_LIFE, by_precedence, desired_command
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.fleet.windows import device_zone, has_malformed_window
from shared.domain.rollouts.figures import Outcome
from shared.domain.rollouts.pace import is_taken
from shared.domain.rollouts.windows import zone_named

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment
    from shared.domain.fleet.device import DeviceRecord
    from shared.domain.updates.update import Update
    from shared.domain.updates.update_id import UpdateId


class Verdict(StrEnum):
    """Whether the device has the update or will get it."""

    HAS = "Has"
    WILL_GET = "WillGet"
    IN_PROGRESS = "InProgress"
    WAITS = "Waits"
    WILL_NOT = "WillNot"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Because:
    """One reason. `until` is when it ends by itself, ISO 8601; empty if it does not."""

    code: str
    message: str
    decides: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    until: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict with its reasons."""

    verdict: Verdict
    reasons: tuple[Because, ...]
    update_id: UpdateId | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know. `record` is None of a device never heard of, `update` of an update
    that does not exist; `asked_for` is None where whatever the device is to get is asked for.
    `deployments` are those of the device's group, `elsewhere` the groups that the update is
    deployed to. `used` says by workflow how many devices were asked in the device's bucket, and how
    many of those phases by count took in, `link_life` how long the links of a command work, `waits`
    by workflow what the open phase of its roll-out waits for.
    """

    key: str
    record: DeviceRecord | None
    asked_for: UpdateId | None
    update: Update | None
    deployments: Sequence[Deployment]
    elsewhere: Sequence[str]
    now: str
    bucket: int = 0
    link_life: timedelta = LINK_LIFE
    used: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    waits: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Notes:
    """Takes down what the decision looked at."""

    taken: list[tuple[Why, Deployment | None, str]] = field(default_factory=list)

    def note(self, why: Why, deployment: Deployment | None, until: str = "") -> None:
        """Take down a reason."""
        self.taken.append((why, deployment, until))


def explain(facts: Facts) -> Explanation:
    """Put into words why the device has, will get or will not get the update."""
    record = facts.record
    if record is None or not record.registers:
        return _only(_of_missing_device(facts), facts.asked_for)
    notes = _Notes()
    decision = desired_command(
        record, by_precedence(facts.deployments), facts.now, notes, link_life=facts.link_life
    )
    update_id = facts.asked_for
    if update_id is None:
        update_id = _update_at_hand(record, notes)
    found = list(_reasons(facts, record, update_id, notes))
    if decision.command is not None and decision.deployment is not None:
        found.append(_queued(facts, record, decision, decision.deployment, update_id))
    return _explained(found, update_id)


def _update_at_hand(record: DeviceRecord, notes: _Notes) -> UpdateId | None:
    """The update that the decision was about, else the last one."""
    for _, deployment, _ in reversed(notes.taken):
        if deployment is not None:
            return deployment.update_id
    return record.commanded.update_id if record.commanded else installed_update(record)


def _reasons(
    facts: Facts, record: DeviceRecord, update_id: UpdateId | None, notes: _Notes
) -> Iterator[Because | None]:
    if update_id is None:
        yield _because("NoDeployment")
        return
    yield _installed(record, update_id)
    if facts.asked_for is not None:
        yield _of_update(facts, update_id)
    seen = view(record)
    if seen.device_class is None:
        yield _because("ClassHeldBack" if record.held_class else "NoAgent")
        return
    yield _newer_installed(record, update_id)
    if facts.update is not None:
        yield _compatible(facts.update, seen.device_class.properties)
    mine = [each for each in _all(facts, record) if each.update_id == update_id]
    if not mine:
        yield _not_deployed(facts, record)
    for deployment in mine:
        yield from _of_deployment(facts, record, deployment, notes)
    yield from _of_what_it_says(record)


def _of_what_it_says(record: DeviceRecord) -> Iterator[Because]:
    """What of its tags and reports the service cannot make sense of."""
    if has_malformed_window(record):
        yield _because("UnreadableWindow")
    zone = device_zone(record)
    if zone is not None and zone_named(zone) is None:
        yield _because("UnknownZone", zone=zone)
    if is_unexplained(record):
        yield _because("Unexplained")


def _of_missing_device(facts: Facts) -> Because:
    if facts.record is not None and facts.record.deleted_at:
        return _because("DeviceDeleted", device=facts.key, at=facts.record.deleted_at)
    return _because("DeviceUnknown", device=facts.key)


def _of_update(facts: Facts, update_id: UpdateId) -> Because | None:
    update = facts.update
    if update is None:
        return _because("UpdateUnknown", update=str(update_id))
    if update.recall is not None:
        return _because("UpdateRecalled", at=update.recall.at, reason=update.recall.reason)
    return None if update.is_deployable else _because("UpdateNotDeployable")


def _installed(record: DeviceRecord, update_id: UpdateId) -> Because | None:
    commanded, known = record.commanded, evidence_of(record)
    is_of_last = commanded is not None and commanded.update_id == update_id
    if installed_update(record) == update_id:
        data: dict[str, Any] = {"update": str(update_id)}
        if is_of_last and commanded is not None and known is not None:
            data |= {
                "deployment": commanded.deployment_id,
                "group": commanded.group_id,
                "at": known.installed_at(update_id),
            }
        return _because("Installed", **data)
    if is_of_last and outcome_of(record) is Outcome.REVERTED and known is not None:
        return _because(
            "Reverted", at=known.installed_at(update_id), now=str(installed_update(record))
        )
    return None


def _newer_installed(record: DeviceRecord, update_id: UpdateId) -> Because | None:
    installed = installed_update(record)
    if installed is None or (installed.provider, installed.name) != (
        update_id.provider,
        update_id.name,
    ):
        return None
    if installed.version_key <= update_id.version_key:
        return None
    return _because("NewerInstalled", version=installed.version)


def _compatible(update: Update, properties: Mapping[str, str]) -> Because | None:
    if is_compatible(update.compatibility, properties):
        return None

    nearest = min(update.compatibility, key=lambda entry: len(unmet(entry, properties)))
    name = (unmet(nearest, properties) or list(nearest))[0]
    has = value_of(name, properties)
    return _because("NotCompatible", property=name, wants=nearest[name], has=has)


def _not_deployed(facts: Facts, record: DeviceRecord) -> Because:
    if not facts.elsewhere:
        return _because("NoDeployment")
    return _because("NotInGroup", groups=sorted(facts.elsewhere), group=view(record).group_id)


def _of_deployment(
    facts: Facts, record: DeviceRecord, deployment: Deployment, notes: _Notes
) -> Iterator[Because | None]:
    noted = [
        (why, until)
        for why, about, until in notes.taken
        if about is not None and about.workflow_id == deployment.workflow_id
    ]
    for why, until in noted:
        yield sentence(facts, record, deployment, why, until)
    if not noted:
        yield _superseded(facts, record, deployment, notes)
    for why, about, until in notes.taken:
        if about is None and noted:
            yield sentence(facts, record, deployment, why, until)


def _superseded(
    facts: Facts, record: DeviceRecord, deployment: Deployment, notes: _Notes
) -> Because | None:
    """The decision ended before it came to this one: say what came before it."""
    before = next((about for _, about, _ in reversed(notes.taken) if about is not None), None)
    if before is None:
        return None
    if before.is_own:
        why = "it is the device's own"
    elif before.priority > deployment.priority:
        why = "it is of higher priority"
    else:
        why = "it is newer"
    return _because(
        "Superseded",
        deployment=deployment.deployment_id,
        by=before.deployment_id,
        update=str(before.update_id),
        why=why,
    )


def sentence(
    facts: Facts, record: DeviceRecord, deployment: Deployment, why: Why, until: str
) -> Because | None:
    """What one thing that the decision looked at means for people; None if nothing."""
    said = sentence_of(record, deployment, why, until, facts.now)
    if said is None:
        return None
    more = {}
    if why is Why.PHASE_NOT_REACHED:
        more["waits"] = facts.waits.get(deployment.workflow_id, "is open")
    return _because(said.code, until=said.until, **said.data, **more)


def _queued(
    facts: Facts,
    record: DeviceRecord,
    decision: Decision,
    deployment: Deployment,
    update_id: UpdateId | None,
) -> Because | None:
    """It is due: say whether there is room, and since when the command is on its way."""
    if deployment.update_id != update_id:
        return None
    rollout, progress = deployment.rollout, deployment.progress
    if rollout is not None and progress is not None:
        allowed = progress.allow_asks.get(facts.bucket, 0)
        used, members = facts.used.get(deployment.workflow_id, (0, 0))
        if decision.is_member and is_taken(rollout, progress, facts.bucket, members):
            return sentence(facts, record, deployment, Why.PHASE_NOT_REACHED, "")
        if rollout.maximum_in_flight is not None and used >= allowed:
            return _because("NoRoom", most=rollout.maximum_in_flight)
        if rollout.rate is not None and used >= allowed:
            return _because("RateLimited", rate=rollout.rate.per_minute)
    return _because("Queued", deployment=deployment.deployment_id)


def _all(facts: Facts, record: DeviceRecord) -> list[Deployment]:
    return sorted((*record.own, *facts.deployments), key=lambda item: item.precedence, reverse=True)


def _because(code: str, *, until: str = "", **data: Any) -> Because:
    kept = {name: value for name, value in data.items() if value not in (None, "")}
    said = _Dashes({name: _text(value) for name, value in kept.items()})
    return Because(code, verdict_of(code).words.format_map(said), data=kept, until=until)


class _Dashes(dict[str, str]):
    """Values of a sentence; what is not known is a dash."""

    def __missing__(self, name: str) -> str:
        return "-"


def _text(value: Any) -> str:
    return ", ".join(f"'{each}'" for each in value) if isinstance(value, list) else str(value)


def _only(because: Because, update_id: UpdateId | None) -> Explanation:
    return _explained([because], update_id)


def _explained(found: Sequence[Because | None], update_id: UpdateId | None) -> Explanation:
    reasons = [each for each in found if each is not None]
    deciding = next((each for each in reasons if verdict_of(each.code).verdict), None)
    marked = tuple(
        Because(each.code, each.message, each is deciding, each.data, each.until)
        for each in reasons
    )
    verdict = verdict_of(deciding.code).verdict if deciding else None
    return Explanation(Verdict(verdict or Verdict.WILL_NOT), marked, update_id)
