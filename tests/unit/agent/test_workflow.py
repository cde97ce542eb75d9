from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from odu_agent.workflow import (
    MAXIMUM_FINISHED,
    Command,
    CommandError,
    Decision,
    Ended,
    Finished,
    Workflow,
    decide,
    end,
    finished_from_json,
    finished_to_json,
    parse_command,
    take_up,
)

from tests.unit.agent.commands import a_cancel, a_deployment, ended_as, running

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values),
)


@given(_JSON)
def test_parse_command_refuses_or_reads_any_json(service: Any) -> None:
    with pytest.raises(CommandError):
        parse_command(service)


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": None},
        {"workflow": {"id": "w"}},
        {"workflow": {"action": 0, "id": "w"}},
        {"workflow": {"action": 1, "id": "w"}},
        {"workflow": {"action": True, "id": "w"}},
        {"workflow": {"action": "3", "id": "w"}},
        {"workflow": {"action": [], "id": "w"}},
        {"workflow": {"action": 3, "id": ""}},
        {"workflow": {"action": 3, "id": 7}},
        {"rootKeyPackageUrl": None},
        {"rootKeyPackageUrl": ""},
    ],
)
def test_parse_command_refuses_a_command_when_incomplete(change: dict[str, Any]) -> None:
    service = {"workflow": {"action": 3, "id": "w"}, "rootKeyPackageUrl": "http://x/r.json"}

    assert parse_command(service) == a_deployment("w")
    with pytest.raises(CommandError):
        parse_command({**service, **change})


def test_parse_command_leaves_out_addresses_when_malformed() -> None:
    service = {
        "workflow": {"action": 3, "id": "w", "retryTimestamp": 7},
        "rootKeyPackageUrl": "http://x/r.json",
        "fileUrls": {"a": "http://x/a", "b": 7},
    }

    command = parse_command(service)

    assert command.file_urls == {"a": "http://x/a"}
    assert command.retry_timestamp is None
    assert parse_command({**service, "fileUrls": []}).file_urls == {}


def test_duplicate_is_ignored_when_running() -> None:
    state = running(a_deployment("w", "1"))

    for command in (a_deployment("w", "1"), a_deployment("w")):
        assert decide(state, command) == (state, Decision.IGNORE)


def test_retry_interrupts_and_starts_again_when_running() -> None:
    state, decision = decide(running(a_deployment("w")), a_deployment("w", "1"))
    assert decision == Decision.INTERRUPT

    state, ended, following = end(state, Ended.COMPLETED)

    assert (ended, following) == (Ended.CANCELLED, a_deployment("w", "1"))
    assert state.is_running
    assert state.finished == ()
    assert decide(state, a_deployment("w", "1"))[1] == Decision.IGNORE


def test_retry_starts_again_when_failed_and_only_when_new() -> None:
    state = ended_as(a_deployment("w", "1"), Ended.FAILED)

    assert decide(state, a_deployment("w", "1"))[1] == Decision.IGNORE
    assert decide(state, a_deployment("w"))[1] == Decision.IGNORE
    state, decision = decide(state, a_deployment("w", "2"))
    assert decision == Decision.START
    state = end(state, Ended.FAILED)[0]
    assert decide(state, a_deployment("w", "1"))[1] == Decision.IGNORE


def test_another_workflow_replaces_the_running_one_after_its_end() -> None:
    state, decision = decide(running(a_deployment("a")), a_deployment("b"))
    assert decision == Decision.INTERRUPT
    assert decide(state, a_deployment("b")) == (state, Decision.IGNORE)

    state, _, following = end(state, Ended.FAILED)

    assert following == a_deployment("b")
    assert state.held == a_deployment("b")
    assert state.find_finished("a") == Finished("a", Ended.CANCELLED, (None,))


def test_latest_replacement_wins_when_several_wait() -> None:
    state = decide(running(a_deployment("a")), a_deployment("b"))[0]
    state = decide(state, a_deployment("c"))[0]

    assert end(state, Ended.CANCELLED)[2] == a_deployment("c")


def test_failed_workflow_is_not_replayed_when_another_has_taken_its_place() -> None:
    state = ended_as(a_deployment("a"), Ended.FAILED)
    state, decision = decide(state, a_deployment("b"))
    assert decision == Decision.START
    state = end(state, Ended.COMPLETED)[0]

    assert decide(state, a_deployment("a"))[1] == Decision.IGNORE
    assert decide(state, a_deployment("a", "1"))[1] == Decision.START


def test_completed_workflow_never_runs_again() -> None:
    state = ended_as(a_deployment("w", "1"), Ended.COMPLETED)

    for retry in (None, "1", "2"):
        assert decide(state, a_deployment("w", retry)) == (state, Decision.REPORT_KNOWN_RESULT)


def test_replayed_result_is_not_reported_when_it_is_not_the_last() -> None:
    state = ended_as(a_deployment("a"), Ended.COMPLETED)
    state = end(decide(state, a_deployment("b"))[0], Ended.COMPLETED)[0]

    assert decide(state, a_deployment("a")) == (state, Decision.IGNORE)


def test_cancel_asks_the_running_operation_to_stop_once() -> None:
    state, decision = decide(running(a_deployment("w")), a_cancel("w"))
    assert decision == Decision.INTERRUPT
    assert decide(state, a_cancel("w")) == (state, Decision.IGNORE)

    state, ended, following = end(state, Ended.CANCELLED)

    assert (ended, following) == (Ended.CANCELLED, None)
    assert decide(state, a_deployment("w"))[1] == Decision.REPORT_KNOWN_RESULT
    assert decide(state, a_deployment("w", "1"))[1] == Decision.START


@pytest.mark.parametrize("told", [Ended.COMPLETED, Ended.FAILED])
def test_operation_that_had_ended_before_the_cancel_is_what_it_says(told: Ended) -> None:
    state = decide(running(a_deployment("w")), a_cancel("w"))[0]

    state, ended, following = end(state, told, "installed")

    assert (ended, following) == (told, None)
    assert state.ended[-1].ended == told


def test_replaced_workflow_that_is_installed_is_known_as_that() -> None:
    state = decide(running(a_deployment("a")), a_deployment("b"))[0]

    state, ended, following = end(state, Ended.COMPLETED, "installed")

    assert (ended, following) == (Ended.COMPLETED, a_deployment("b"))
    assert state.find_finished("a") == Finished("a", Ended.COMPLETED, (None,), "installed")


def test_workflow_that_is_taken_up_only_to_stop_is_cancelled_once_and_for_all() -> None:
    state = take_up(Workflow(), a_deployment("w", "1"), ("0", "1"))

    assert decide(state, a_cancel("w"), is_startup=True) == (state, Decision.IGNORE)
    state, ended, following = end(state, Ended.CANCELLED)
    assert (ended, following) == (Ended.CANCELLED, None)
    for seen in ("0", "1"):
        assert decide(state, a_deployment("w", seen))[1] == Decision.REPORT_KNOWN_RESULT
    assert decide(state, a_deployment("w", "2"))[1] == Decision.START


def test_workflow_that_is_taken_up_only_to_stop_lets_the_next_one_begin_after_it() -> None:
    state = decide(
        take_up(Workflow(), a_deployment("a"), (None,)), a_deployment("b"), is_startup=True
    )[0]

    assert end(state, Ended.CANCELLED)[2] == a_deployment("b")


def test_cancel_drops_what_waits() -> None:
    state = decide(running(a_deployment("a")), a_deployment("b"))[0]

    state, decision = decide(state, a_cancel("b"))

    assert decision == Decision.INTERRUPT
    assert end(state, Ended.CANCELLED)[2] is None


def test_replayed_cancel_stops_no_other_workflow() -> None:
    state = end(decide(running(a_deployment("a")), a_cancel("a"))[0], Ended.CANCELLED)[0]
    state = decide(state, a_deployment("b"))[0]

    assert decide(state, a_cancel("a")) == (state, Decision.IGNORE)


def test_cancel_is_reported_only_at_startup_when_nothing_runs() -> None:
    assert decide(Workflow(), a_cancel("w"), is_startup=True)[1] == Decision.REPORT_CANCELLED
    state, decision = decide(Workflow(), a_cancel("w"))
    assert decision == Decision.IGNORE
    assert decide(state, a_deployment("w"))[1] == Decision.REPORT_KNOWN_RESULT
    assert decide(state, a_deployment("w", "1"))[1] == Decision.START
    assert decide(state, a_deployment("v"))[1] == Decision.START


def test_cancel_gives_up_a_failed_workflow() -> None:
    state, decision = decide(ended_as(a_deployment("w"), Ended.FAILED), a_cancel("w"))

    assert decision == Decision.IGNORE
    assert state.held is None
    assert decide(state, a_deployment("w"))[1] == Decision.REPORT_KNOWN_RESULT


def test_finished_workflows_are_bounded() -> None:
    state = Workflow()
    for number in range(MAXIMUM_FINISHED + 5):
        state = end(decide(state, a_deployment(str(number)))[0], Ended.COMPLETED)[0]

    assert len(state.finished) == MAXIMUM_FINISHED
    assert state.finished[-1].workflow_id == str(MAXIMUM_FINISHED + 4)


@given(
    st.lists(
        st.builds(
            Finished,
            st.text(),
            st.sampled_from(Ended),
            st.lists(st.none() | st.text()).map(tuple),
            st.none() | st.text(),
        )
    ).map(tuple)
)
def test_finished_workflows_come_back_from_what_was_kept(finished: tuple[Finished, ...]) -> None:
    assert finished_from_json(finished_to_json(finished)) == finished
    assert finished_from_json([{}, {"workflowId": 7}]) == ()


class WorkflowMachine(RuleBasedStateMachine):
    """Commands and ends in any order; a restart forgets all but what ended."""

    ids = st.sampled_from("abc")
    retries = st.sampled_from([None, "1", "2", "3"])

    def __init__(self) -> None:
        super().__init__()
        self.state = Workflow()
        self.completed: set[str] = set()
        self.started: list[tuple[str, str | None]] = []

    def _starts(self, command: Command) -> None:
        assert command.workflow_id not in self.completed
        self.started.append((command.workflow_id, command.retry_timestamp))

    @rule(workflow_id=ids, retry=retries)
    def deploy(self, workflow_id: str, retry: str | None) -> None:
        command, was_running = a_deployment(workflow_id, retry), self.state.is_running
        self.state, decision = decide(self.state, command)
        if decision == Decision.START:
            assert not was_running
            self._starts(command)
        elif decision == Decision.INTERRUPT:
            assert was_running
            assert self.state.following == command
        assert decide(self.state, command)[0] == self.state

    @rule(workflow_id=ids, retry=retries, is_startup=st.booleans())
    def cancel(self, workflow_id: str, retry: str | None, is_startup: bool) -> None:
        command = a_cancel(workflow_id, retry)
        self.state, decision = decide(self.state, command, is_startup=is_startup)
        assert decision != Decision.START
        assert decide(self.state, command)[1] != Decision.INTERRUPT

    @precondition(lambda self: self.state.is_running)
    @rule(ended=st.sampled_from(Ended))
    def operation_ends(self, ended: Ended) -> None:
        held, was_cancelling = self.state.held, self.state.is_cancelling
        assert held is not None
        self.state, counted, following = end(self.state, ended)
        is_replaced = following is not None and ended == Ended.FAILED
        is_retried = following is not None and following.workflow_id == held.workflow_id
        assert counted == (Ended.CANCELLED if is_replaced or is_retried else ended)
        if counted == Ended.COMPLETED:
            self.completed.add(held.workflow_id)
        if following is not None:
            assert was_cancelling
            assert self.state.held == following
            self._starts(following)

    @rule()
    def restart(self) -> None:
        kept = finished_from_json(finished_to_json(self.state.finished))
        self.state = replace(Workflow(), finished=kept)
        self.started.clear()

    @invariant()
    def nothing_starts_twice(self) -> None:
        assert len(set(self.started)) == len(self.started)

    @invariant()
    def only_a_running_operation_is_asked_to_stop(self) -> None:
        state = self.state
        assert state.held is not None or not state.is_running
        assert state.is_running or not state.is_cancelling
        assert state.is_cancelling or state.following is None


TestWorkflowMachine = WorkflowMachine.TestCase
