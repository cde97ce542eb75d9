"""What a device says is judged by the merged twin, however it cuts its reports into patches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cloud.iothub.twin import document, new_twin, report
from shared.contract.codes import AgentState
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    deployment_state,
    evidence_of,
    fold,
    view,
)
from shared.domain.fleet.twin_content import kept_content
from tests.unit.domain.builders import (
    V1,
    V2,
    a_command,
    at_second,
    busy,
    failed,
    reported,
    started,
    succeeded,
)

PARTS = ("state", "workflow", "lastInstallResult", "installedUpdateId")


class Hub:
    """The twin of a device at a hub, and what each change of it tells the service."""

    def __init__(self) -> None:
        self.twin = new_twin(at_second(0))
        self.changes: list[TwinChange] = []

    def say(self, patch: dict[str, Any]) -> None:
        at = at_second(len(self.changes) + 1)
        change = report(self.twin, patch, at)
        self.twin = change.twin
        content = kept_content(change.event)
        self.changes.append(TwinChange("d1", None, self.twin.version, content, False, at=at))

    def whole(self) -> TwinChange:
        """The twin as it is read."""
        at = at_second(len(self.changes))
        content = kept_content(document(self.twin))
        return TwinChange("d1", None, self.twin.version, content, is_whole=True, at=at)


def agent_of(said: dict[str, Any]) -> dict[str, Any]:
    return dict(said["deviceUpdate"]["agent"])


def patches(said: dict[str, Any], groups: Iterable[Iterable[str]]) -> list[dict[str, Any]]:
    """A report, cut into patches that have these members each."""
    agent = agent_of(said)
    cut = [{name: agent[name] for name in group if name in agent} for group in groups]
    return [{"deviceUpdate": {"agent": part}} for part in cut if part]


def told(*said: dict[str, Any]) -> Hub:
    hub = Hub()
    for each in (started(), *said):
        hub.say(each)
    return hub


def after(changes: Iterable[TwinChange], workflow_id: str = "w1") -> DeviceRecord:
    record = DeviceRecord("d1", commanded=a_command(workflow_id))
    for change in changes:
        record = fold(record, change)
    return record


@st.composite
def splits(draw: st.DrawFn) -> list[list[str]]:
    """The members of a report in any order, some of them together."""
    names = draw(st.permutations(PARTS))
    cuts = sorted(draw(st.sets(st.integers(1, len(names) - 1))))
    return [names[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]


REPORTS = st.sampled_from(
    [
        busy(),
        failed(),
        succeeded(),
        succeeded(V1),
        reported(AgentState.IDLE, -1),
        reported(AgentState.IDLE, 0),
        busy("w2"),
        succeeded(V2, "w2"),
        failed("w2"),
    ]
)


@given(st.lists(st.tuples(REPORTS, splits()), min_size=1, max_size=3), st.randoms())
@settings(max_examples=200, deadline=None)
def test_patches_and_the_whole_twin_give_the_same_state(
    cut: list[tuple[dict[str, Any], list[list[str]]]], random: Any
) -> None:
    """That of the whole twin is the state; what was said in full before it is never forgotten."""
    last, split = cut[-1]
    hub = told(*(said for said, _ in cut[:-1]), *patches(last, split))
    one_by_one = after(hub.changes)
    seen_whole = after([*hub.changes, hub.whole()])
    shuffled = list(hub.changes)
    random.shuffle(shuffled)

    assert deployment_state(one_by_one) is deployment_state(seen_whole)
    assert deployment_state(after(shuffled)) is deployment_state(one_by_one)
    assert deployment_state(after([hub.whole(), *shuffled])) is deployment_state(one_by_one)


@pytest.mark.parametrize("said", [succeeded(), failed(), reported(AgentState.IDLE, -1)])
@pytest.mark.parametrize("is_named", [True, False])
@given(split=splits())
@settings(max_examples=60, deadline=None)
def test_a_report_in_several_patches_ends_a_workflow_as_one_does(
    said: dict[str, Any], is_named: bool, split: list[list[str]]
) -> None:
    names = [name for group in split for name in group]
    if names.index("lastInstallResult") < names.index("state"):
        # a result that is older than the state came with another: it decides nothing
        split = [["state"], *([name for name in group if name != "state"] for group in split)]
    if not is_named:
        split = [[name for name in group if name != "workflow"] for group in split]

    at_once = after(told(busy(), said).changes)
    in_parts = after(told(busy(), *patches(said, split)).changes)

    assert deployment_state(in_parts) is deployment_state(at_once)


@pytest.mark.parametrize(
    "order",
    [
        ("state", "lastInstallResult", "installedUpdateId"),
        ("installedUpdateId", "state", "lastInstallResult"),
        ("lastInstallResult", "installedUpdateId", "state"),
    ],
)
def test_success_in_three_patches_is_a_success_once_the_device_is_idle_and_has_it(
    order: tuple[str, ...],
) -> None:
    hub = told(busy(), *patches(succeeded(), ([name] for name in order)))

    for number in range(1, 4):
        has_it = {"state", "installedUpdateId"} <= {*order[:number]}
        state = DeviceState.SUCCEEDED if has_it else DeviceState.IN_PROGRESS
        assert deployment_state(after(hub.changes[: 2 + number])) is state
    record = after(hub.changes)
    assert deployment_state(record) is DeviceState.SUCCEEDED
    known = evidence_of(record)
    assert known is not None
    assert known.installed_at(V2) in {change.at for change in hub.changes[-2:]}

    hub.say({"deviceInformation": {"timeZone": "Europe/Berlin"}})
    later = evidence_of(after(hub.changes))
    assert later is not None
    assert later.installed_at(V2) == known.installed_at(V2)


def with_steps(said: dict[str, Any], *codes: int) -> dict[str, Any]:
    """A report with the results of its steps."""
    agent = agent_of(said)
    steps = {f"step_{index}": {"resultCode": code} for index, code in enumerate(codes)}
    result = {**agent["lastInstallResult"], "stepResults": steps}
    return {"deviceUpdate": {"agent": {**agent, "lastInstallResult": result}}}


@pytest.mark.parametrize("is_whole", [True, False])
def test_results_of_steps_of_an_earlier_run_are_not_shown(is_whole: bool) -> None:
    """The report that would clear them was replaced before it was sent."""
    hub = told(busy(), with_steps(succeeded(), 700, 603))

    def shown() -> list[int]:
        changes = [hub.whole()] if is_whole else hub.changes
        return [step.result_code for step in view(after(changes)).report.step_results]

    assert shown() == [700, 603]
    hub.say(failed("w2"))
    assert shown() == []
    hub.say(with_steps(failed("w2"), 0))
    assert shown()[:1] == [0]
