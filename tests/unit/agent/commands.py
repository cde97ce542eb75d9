"""Commands of a twin, and states that they lead to."""

from __future__ import annotations

from odu_agent.contract.codes import Action
from odu_agent.workflow import Command, Decision, Ended, Workflow, decide, end


def a_deployment(workflow_id: str, retry: str | None = None) -> Command:
    return Command(Action.PROCESS_DEPLOYMENT, workflow_id, retry, "http://x/r.json")


def a_cancel(workflow_id: str, retry: str | None = None) -> Command:
    return Command(Action.CANCEL, workflow_id, retry, "http://x/r.json")


def running(command: Command) -> Workflow:
    state, decision = decide(Workflow(), command)
    assert decision == Decision.START
    return state


def ended_as(command: Command, ended: Ended) -> Workflow:
    return end(running(command), ended, "installed")[0]
