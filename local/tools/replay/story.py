"""What the devices of a simulated fleet do, step by step; the same for the same seed.

Stories keep to what has one right end whatever the order in which the service hears of it. Which
deployments a device takes part in is decided by the service as it hears of groups, so on its way
to another group with a deployment a device passes only through groups without one.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.contract.codes import Action, AgentState, Erc, ResultCode
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import (
    StepReport,
    device_information,
    result_report,
    startup_report,
    workflow_member,
)
from shared.domain.fleet.device import BUCKETS, bucket_of

MANUFACTURER, MODELS = "contoso", ("toaster", "fridge")
VERSIONS = {"north": "1.0", "south": "1.0", "east": "1.1"}
"""Groups that get a deployment, and the version of their update."""
IDLE_GROUPS = ("lab", "spare")
"""Groups that get none."""
GROUPS = (*VERSIONS, *IDLE_GROUPS)
_PROGRESS = (
    ResultCode.DOWNLOAD_IN_PROGRESS,
    ResultCode.DOWNLOAD_SUCCESS,
    ResultCode.INSTALL_IN_PROGRESS,
    ResultCode.INSTALL_SUCCESS,
    ResultCode.APPLY_IN_PROGRESS,
)
_FAILURES = (Erc.NO_SPACE, Erc.DOWNLOAD_HASH_WRONG, Erc.SCRIPT_FAILURE_WITHOUT_CODE)


class Act(StrEnum):
    """What a step does: the operator's acts and the device's own."""

    CREATE = "create"
    TAG = "tag"
    REPORT = "report"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    DELETE = "delete"


class Kind(StrEnum):
    """What becomes of a device."""

    STEADY = "stays in its group"
    MOVER = "moves to other groups"
    REBORN = "is deleted and created again"
    GONE = "is deleted"
    NEWCOMER = "is created while the service is away"
    FLEETING = "is created and deleted while the service is away"


_SHARES = {
    Kind.STEADY: 60,
    Kind.MOVER: 20,
    Kind.REBORN: 6,
    Kind.GONE: 4,
    Kind.NEWCOMER: 8,
    Kind.FLEETING: 2,
}
_CONNECTIONS = 0.04
"""Share of connections among what fills a device's day."""
_LATE_COMERS = (Kind.NEWCOMER, Kind.FLEETING)


@dataclass(frozen=True, slots=True)
class Step:
    """One step, `at` seconds after the beginning of its part of the story."""

    at: float
    device_id: str
    act: Act
    value: Any = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """What the deployment of a group asks of its devices."""

    workflow_id: str
    update_id: ManifestUpdateId


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the fleet."""

    device_id: str
    model: str
    group: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet. Its devices lie in `buckets` of the 256, as dense as those of a larger one."""

    devices: Sequence[Device]
    steps: int
    """Steps of each device while the service is away."""
    seed: int

    @property
    def buckets(self) -> list[int]:
        """The buckets that its devices lie in."""
        return sorted({bucket_of(device.device_id) for device in self.devices})


def make_fleet(count: int, steps: int, *, buckets: int = BUCKETS, seed: int = 1) -> Fleet:
    """A fleet of so many devices."""
    choice = random.Random(seed)  # noqa: S311 (a simulation)
    names = (f"device-{number:06d}" for number in itertools.count())
    kinds = choice.choices(list(_SHARES), list(_SHARES.values()), k=count)
    some = (name for name in names if bucket_of(name) % (BUCKETS // buckets) == 0)
    devices = [
        Device(name, choice.choice(MODELS), _home(kind, choice), kind)
        for name, kind in zip(some, kinds, strict=False)
    ]
    return Fleet(devices, steps, seed)


def _home(kind: Kind, choice: random.Random) -> str:
    # who is deleted while a deployment is open would leave behind what the service heard by then
    return choice.choice(IDLE_GROUPS if kind in (Kind.GONE, Kind.FLEETING) else GROUPS)


def beginning(fleet: Fleet, seconds: float) -> Iterator[Step]:
    """How the devices are created and introduce themselves, in order of time."""
    stories = (
        _timed(device, _introduction(device), fleet, "beginning", seconds)
        for device in fleet.devices
        if device.kind not in _LATE_COMERS
    )
    return heapq.merge(*stories, key=lambda step: step.at)


def day(fleet: Fleet, workflows: Mapping[str, Workflow], seconds: float) -> Iterator[Step]:
    """What happens while the service is away, in order of time.

    Args:
        fleet: The fleet.
        workflows: Of the groups that have a deployment.
        seconds: How long it lasts.
    """
    stories = (
        _timed(device, _story(device, fleet, workflows), fleet, "day", seconds)
        for device in fleet.devices
    )
    return heapq.merge(*stories, key=lambda step: step.at)


type _Story = list[tuple[Act, Any]]


def _timed(
    device: Device, story: _Story, fleet: Fleet, part: str, seconds: float
) -> Iterator[Step]:
    choice = _choice(fleet, device, part + " times")
    times = sorted(choice.uniform(0, seconds) for _ in story)
    for at, (act, value) in zip(times, story, strict=True):
        yield Step(at, device.device_id, act, value)


def _choice(fleet: Fleet, device: Device, part: str) -> random.Random:
    return random.Random(f"{fleet.seed} {device.device_id} {part}")  # noqa: S311 (a simulation)


def _introduction(device: Device) -> _Story:
    report = startup_report(MANUFACTURER, device.model)
    return [(Act.CREATE, None), (Act.TAG, device.group), (Act.REPORT, report)]


def _story(device: Device, fleet: Fleet, workflows: Mapping[str, Workflow]) -> _Story:
    choice = _choice(fleet, device, "day")
    lives = _lives(device, choice, workflows)
    for _ in range(fleet.steps - sum(map(len, lives))):
        life = choice.choice(lives)
        first = 1 if life[0][0] is Act.CREATE else 0
        last = len(life) - 1 if life[-1][0] is Act.DELETE else len(life)
        place = choice.randint(first, last)
        life.insert(place, _small_talk(choice, life[place - 1] if place else None))
    return list(itertools.chain(*lives))


def _small_talk(choice: random.Random, before: tuple[Act, Any] | None) -> tuple[Act, Any]:
    """Mostly the last report once more, as agents do after each reconnection."""
    if choice.random() < _CONNECTIONS:
        return choice.choice((Act.CONNECT, Act.DISCONNECT)), None
    if before is not None and before[0] is Act.REPORT:
        return before
    return Act.REPORT, device_information({"swVersion": f"{choice.randint(1, 9)}.0"})


def _lives(
    device: Device, choice: random.Random, workflows: Mapping[str, Workflow]
) -> list[_Story]:
    """What counts of a device's day, apart for each time that it is created."""
    run = _work(workflows.get(device.group), choice)
    again = [*_introduction(device), (Act.CONNECT, None)]
    match device.kind:
        case Kind.STEADY:
            return [run or [(Act.CONNECT, None)]]
        case Kind.MOVER:
            return [run + _move(device, choice, workflows)]
        case Kind.REBORN:
            fresh = _work(workflows.get(device.group), choice)
            return [[*run[: choice.randint(0, len(run))], (Act.DELETE, None)], again + fresh]
        case Kind.GONE:
            return [[(Act.CONNECT, None), (Act.DELETE, None)]]
        case Kind.NEWCOMER:
            return [again + run]
        case Kind.FLEETING:
            return [[*again, (Act.DELETE, None)]]


def _move(device: Device, choice: random.Random, workflows: Mapping[str, Workflow]) -> _Story:
    ways = [group for group in IDLE_GROUPS if choice.random() < 0.5]
    goal = choice.choice([group for group in GROUPS if group != device.group])
    moves: _Story = [(Act.TAG, group) for group in (*ways, goal)]
    return moves + _work(workflows.get(goal), choice)


def _work(workflow: Workflow | None, choice: random.Random) -> _Story:
    """What an agent reports about a workflow: progress, mostly an end, sometimes progress again."""
    if workflow is None:
        return []
    member = workflow_member(Action.PROCESS_DEPLOYMENT, workflow.workflow_id, None)
    progress = [
        result_report(AgentState.DEPLOYMENT_IN_PROGRESS, code, workflow=member)
        for code in _PROGRESS[: choice.randint(1, len(_PROGRESS))]
    ]
    reports = list(progress)
    fate = choice.random()
    if fate < 0.75:
        reports.append(
            result_report(
                AgentState.IDLE,
                ResultCode.APPLY_SUCCESS,
                workflow=member,
                installed_update_id=workflow.update_id,
                step_results=[StepReport(ResultCode.APPLY_SUCCESS)],
            )
        )
        if fate < 0.1:
            reports.append(progress[-1])
    elif fate < 0.9:
        codes = (choice.choice(_FAILURES),)
        reports.append(
            result_report(
                AgentState.FAILED,
                ResultCode.FAILURE,
                extended_result_codes=codes,
                workflow=member,
                step_results=[StepReport(ResultCode.FAILURE, codes)],
            )
        )
    return [(Act.REPORT, report) for report in reports]
