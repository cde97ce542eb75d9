"""The agent's workflow: which command starts, interrupts or changes nothing.

Pure: no clock, no files, no network. A workflow that completed never runs again; one that was
cancelled or failed runs again only for a retry timestamp that it has not seen. An operation that
runs is never killed: it is asked to stop, and what follows it waits for its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from .contract.codes import Action

MAXIMUM_FINISHED = 64
MAXIMUM_SEEN = 64


class CommandError(Exception):
    """A `service` value that no agent may act on; it is neither reported nor acknowledged."""


@dataclass(frozen=True)
class Command:
    """A `service` value, as far as every agent needs it."""

    action: Action
    workflow_id: str
    retry_timestamp: str | None
    root_key_package_url: str
    manifest: Any = None
    signature: Any = None
    file_urls: Mapping[str, str] = field(default_factory=dict, hash=False)


class Ended(Enum):
    """How an operation ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Finished:
    """A workflow that ended for good; `seen` are the retry timestamps it was sent with."""

    workflow_id: str
    ended: Ended
    seen: tuple[str | None, ...] = ()
    installed_update_id: str | None = None


@dataclass(frozen=True)
class Workflow:
    """What the agent holds.

    Attributes:
        held: The command being worked on, or the one that failed last.
        is_running: An operation of `held` runs.
        is_cancelling: It has been asked to stop.
        following: What starts when it has stopped.
        seen: The retry timestamps that `held` was sent with.
        finished: Workflows that ended, oldest first, at most `MAXIMUM_FINISHED`.
    """

    held: Command | None = None
    is_running: bool = False
    is_cancelling: bool = False
    following: Command | None = None
    seen: tuple[str | None, ...] = ()
    finished: tuple[Finished, ...] = ()

    @property
    def ended(self) -> tuple[Finished, ...]:
        """What must be remembered over a restart: a failed workflow must not run again by itself,
        though it is still held for its files and a retry.
        """
        if self.held is None or self.is_running:
            return self.finished
        return (*self.finished, Finished(self.held.workflow_id, Ended.FAILED, self.seen))

    def find_finished(self, workflow_id: str) -> Finished | None:
        """The record of a workflow that ended."""
        return next((done for done in self.finished if done.workflow_id == workflow_id), None)


class Decision(Enum):
    """What the agent does about a command."""

    IGNORE = "ignore"
    START = "start"
    INTERRUPT = "interrupt"
    REPORT_KNOWN_RESULT = "report known result"
    REPORT_CANCELLED = "report cancelled"


def parse_command(service: Any) -> Command:
    """Read a `service` value.

    Raises:
        CommandError: Without a known action, a workflow id and a root key package.
    """
    members = service if isinstance(service, dict) else {}
    workflow = members.get("workflow")
    workflow = workflow if isinstance(workflow, dict) else {}
    action, workflow_id = workflow.get("action"), workflow.get("id")
    url, retry = members.get("rootKeyPackageUrl"), workflow.get("retryTimestamp")
    if isinstance(action, bool) or action not in (Action.PROCESS_DEPLOYMENT, Action.CANCEL):
        raise CommandError("the command has no known action")
    if not isinstance(workflow_id, str) or not workflow_id:
        raise CommandError("the command has no workflow id")
    if not isinstance(url, str) or not url:
        raise CommandError("the command names no root key package")
    urls = members.get("fileUrls")
    return Command(
        action=Action(action),
        workflow_id=workflow_id,
        retry_timestamp=retry if isinstance(retry, str) else None,
        root_key_package_url=url,
        manifest=members.get("updateManifest"),
        signature=members.get("updateManifestSignature"),
        file_urls={
            file_id: address
            for file_id, address in (urls if isinstance(urls, dict) else {}).items()
            if isinstance(address, str)
        },
    )


def command_to_json(command: Command) -> dict[str, Any]:
    """Write a command as `parse_command` reads it."""
    workflow: dict[str, Any] = {"action": int(command.action), "id": command.workflow_id}
    if command.retry_timestamp is not None:
        workflow["retryTimestamp"] = command.retry_timestamp
    return {
        "workflow": workflow,
        "rootKeyPackageUrl": command.root_key_package_url,
        "updateManifest": command.manifest,
        "updateManifestSignature": command.signature,
        "fileUrls": dict(command.file_urls),
    }


def decide(
    state: Workflow, command: Command, *, is_startup: bool = False
) -> tuple[Workflow, Decision]:
    """Weigh a command; a deployment must have been verified before its decision is acted on."""
    if command.action == Action.CANCEL:
        return _decide_cancel(state, command, is_startup=is_startup)
    done = state.find_finished(command.workflow_id)
    if done is not None and not _may_run_again(done, command):
        return state, _known_result(state, done)
    if state.held is not None and state.held.workflow_id == command.workflow_id:
        return _decide_retry(state, command)
    if state.is_running:
        return _interrupt(state, command)
    seen = (*(done.seen if done else ()), command.retry_timestamp)
    return _start(state, command, seen), Decision.START


def end(
    state: Workflow, ended: Ended, installed_update_id: str | None = None
) -> tuple[Workflow, Ended, Command | None]:
    """Take note that the running operation ended.

    Returns:
        The new state; how the operation counts (as it says itself, for it may have ended before it
        heard that it should stop; but what another command takes the place of was cancelled
        unless it is installed); and the command to start now, if one was waiting.
    """
    assert state.is_running
    assert state.held is not None
    following, held, seen = state.following, state.held, state.seen
    is_retry = following is not None and following.workflow_id == held.workflow_id
    if is_retry or (following is not None and ended == Ended.FAILED):
        ended = Ended.CANCELLED
    if ended != Ended.FAILED and not is_retry:
        state = _finish(state, Finished(held.workflow_id, ended, seen, installed_update_id))
        state = replace(state, held=None, seen=())
    state = replace(state, is_running=False, is_cancelling=False, following=None)
    if following is not None:
        state = _start(state, following, _seen_by(state, following, seen if is_retry else ()))
    return state, ended, following


def take_up(state: Workflow, command: Command, seen: tuple[str | None, ...]) -> Workflow:
    """Take up what an earlier process had begun and what is no longer wanted: it is to stop."""
    return replace(_start(state, command, seen), is_cancelling=True)


def _decide_cancel(
    state: Workflow, command: Command, *, is_startup: bool
) -> tuple[Workflow, Decision]:
    if state.is_running:
        return _cancel_running(state, command)
    if is_startup:
        return _note_cancelled(state, command), Decision.REPORT_CANCELLED
    return _note_cancelled(state, command), Decision.IGNORE


def _cancel_running(state: Workflow, command: Command) -> tuple[Workflow, Decision]:
    assert state.held is not None
    is_own = state.held.workflow_id == command.workflow_id
    if not is_own and state.find_finished(command.workflow_id) is not None:
        # A replayed cancel of a workflow that ended must not stop another one.
        return state, Decision.IGNORE
    if state.is_cancelling and state.following is None:
        return state, Decision.IGNORE
    return replace(state, is_cancelling=True, following=None), Decision.INTERRUPT


def _note_cancelled(state: Workflow, command: Command) -> Workflow:
    """A cancel with nothing running: its workflow must not start without a new retry timestamp."""
    held = state.held
    seen = state.seen if held and held.workflow_id == command.workflow_id else ()
    if held is not None:
        state = _finish(state, Finished(held.workflow_id, Ended.CANCELLED, state.seen))
        state = replace(state, held=None, seen=())
    if state.find_finished(command.workflow_id) is None:
        record = Finished(command.workflow_id, Ended.CANCELLED, (*seen, command.retry_timestamp))
        state = _finish(state, record)
    return state


def _decide_retry(state: Workflow, command: Command) -> tuple[Workflow, Decision]:
    if not _is_new(command.retry_timestamp, state.seen):
        return state, Decision.IGNORE
    if state.is_running:
        return _interrupt(state, command)
    return _start(state, command, (*state.seen, command.retry_timestamp)), Decision.START


def _interrupt(state: Workflow, command: Command) -> tuple[Workflow, Decision]:
    if state.following is not None and state.following.workflow_id == command.workflow_id:
        is_new = _is_new(command.retry_timestamp, (state.following.retry_timestamp,))
        if not is_new:
            return state, Decision.IGNORE
    return replace(state, is_cancelling=True, following=command), Decision.INTERRUPT


def _start(state: Workflow, command: Command, seen: tuple[str | None, ...]) -> Workflow:
    if state.held is not None and state.held.workflow_id != command.workflow_id:
        state = _finish(state, Finished(state.held.workflow_id, Ended.FAILED, state.seen))
    others = tuple(done for done in state.finished if done.workflow_id != command.workflow_id)
    return replace(state, held=command, is_running=True, seen=seen[-MAXIMUM_SEEN:], finished=others)


def _seen_by(
    state: Workflow, command: Command, seen: tuple[str | None, ...]
) -> tuple[str | None, ...]:
    done = state.find_finished(command.workflow_id)
    return (*(done.seen if done else seen), command.retry_timestamp)


def _may_run_again(done: Finished, command: Command) -> bool:
    return done.ended != Ended.COMPLETED and _is_new(command.retry_timestamp, done.seen)


def _is_new(retry_timestamp: str | None, seen: tuple[str | None, ...]) -> bool:
    """Timestamps are opaque: one that was seen before is a replay, whatever came after it."""
    return retry_timestamp is not None and retry_timestamp not in seen


def _known_result(state: Workflow, done: Finished) -> Decision:
    """Only the last result still describes the device."""
    is_last = state.held is None and state.finished[-1] == done
    return Decision.REPORT_KNOWN_RESULT if is_last else Decision.IGNORE


def _finish(state: Workflow, done: Finished) -> Workflow:
    others = tuple(old for old in state.finished if old.workflow_id != done.workflow_id)
    return replace(state, finished=(*others, done)[-MAXIMUM_FINISHED:])


_ENDED = {ended.value for ended in Ended}


def finished_to_json(finished: tuple[Finished, ...]) -> list[dict[str, Any]]:
    """Write records of ended workflows for keeping."""
    return [
        {
            "workflowId": done.workflow_id,
            "ended": done.ended.value,
            "seen": list(done.seen),
            "installedUpdateId": done.installed_update_id,
        }
        for done in finished
    ]


def finished_from_json(entries: list[dict[str, Any]]) -> tuple[Finished, ...]:
    """Read records that were kept; a damaged one is left out."""
    finished = []
    for entry in entries:
        workflow_id, ended, seen = entry.get("workflowId"), entry.get("ended"), entry.get("seen")
        if isinstance(workflow_id, str) and ended in _ENDED and isinstance(seen, list):
            installed = entry.get("installedUpdateId")
            finished.append(Finished(workflow_id, Ended(ended), tuple(seen), installed))
    return tuple(finished)
