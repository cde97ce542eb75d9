"""Retry timestamps: which are new, and which were seen before, whatever came between."""

from __future__ import annotations

import pytest
from odu_agent.workflow import (
    Decision,
    Ended,
    Workflow,
    decide,
    end,
    finished_from_json,
    finished_to_json,
)

from tests.unit.agent.commands import a_cancel, a_deployment, ended_as, running


def test_newer_retry_of_the_waiting_workflow_takes_the_place_of_the_older() -> None:
    state, _ = decide(running(a_deployment("A")), a_deployment("B", "t1"))
    state, decision = decide(state, a_deployment("B", "t2"))
    assert decision == Decision.INTERRUPT
    assert state.following == a_deployment("B", "t2")

    again, repeated = decide(state, a_deployment("B", "t2"))
    assert (again, repeated) == (state, Decision.IGNORE)

    state, _, following = end(state, Ended.COMPLETED)
    assert following == a_deployment("B", "t2")
    assert state.held == following


def test_first_retry_of_a_workflow_that_waits_without_one_takes_its_place() -> None:
    state, _ = decide(running(a_deployment("A")), a_deployment("B"))
    state, _ = decide(state, a_deployment("B", "t1"))

    _, _, following = end(state, Ended.COMPLETED)

    assert following == a_deployment("B", "t1")


@pytest.mark.parametrize("replayed", [None, "t1", "t2"])
def test_old_retries_do_not_replay_when_a_retry_has_interrupted_the_running_workflow(
    replayed: str | None,
) -> None:
    state, _ = decide(running(a_deployment("A", "t1")), a_deployment("A", "t2"))
    state, _, _ = end(state, Ended.FAILED)
    assert state.seen == ("t1", "t2")
    state, _, _ = end(state, Ended.FAILED)

    after, decision = decide(state, a_deployment("A", replayed))

    assert (after, decision) == (state, Decision.IGNORE)


@pytest.mark.parametrize("replayed", ["t1", "t2"])
def test_old_retries_do_not_replay_when_the_workflow_came_back_after_another(
    replayed: str,
) -> None:
    state = ended_as(a_deployment("A", "t1"), Ended.CANCELLED)
    state, _ = decide(state, a_deployment("B"))
    state, _ = decide(state, a_deployment("A", "t2"))  # waits for B
    state, _, _ = end(state, Ended.FAILED)
    assert state.held == a_deployment("A", "t2")
    assert state.seen == ("t1", "t2")
    state, _, _ = end(state, Ended.CANCELLED)

    after, decision = decide(state, a_deployment("A", replayed))

    assert after == state
    assert decision != Decision.START


def test_old_retries_do_not_replay_when_a_failed_workflow_was_cancelled_at_rest() -> None:
    state, _ = decide(ended_as(a_deployment("A", "t1"), Ended.FAILED), a_deployment("A", "t2"))
    state, _, _ = end(state, Ended.FAILED)
    state, _ = decide(state, a_cancel("A", "t3"))

    for replayed in ("t1", "t2"):
        after, decision = decide(state, a_deployment("A", replayed))
        assert after == state
        assert decision != Decision.START
    assert decide(state, a_deployment("A", "t4"))[1] == Decision.START


def test_old_retries_do_not_replay_after_a_restart_of_the_agent() -> None:
    state, _ = decide(ended_as(a_deployment("A", "t1"), Ended.FAILED), a_deployment("A", "t2"))
    state, _, _ = end(state, Ended.FAILED)
    restarted = Workflow(finished=finished_from_json(finished_to_json(state.ended)))

    for replayed in ("t1", "t2"):
        assert decide(restarted, a_deployment("A", replayed))[1] != Decision.START
    assert decide(restarted, a_deployment("A", "t3"))[1] == Decision.START
