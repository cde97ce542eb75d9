"""What the agent says about itself, and how it gets to the hub.

Reports leave in order, one at a time, and are sent again until the hub takes them: a report made
while the connection is down is not lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .contract.codes import AgentState, Erc, ResultCode
from .contract.twin import (
    device_information,
    parse_installed_update_id,
    result_report,
    startup_report,
    workflow_member,
)
from .hub import PASSING_ERRORS, RefusedError
from .hub.mqtt import describe
from .report_size import brief, ever_smaller
from .workflow import Ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    _Taken = Callable[[], None]

    from .config import AgentConfig
    from .operation import Operation
    from .result import DeploymentResult
    from .verification import VerificationError
    from .workflow import Command, Finished

logger = logging.getLogger(__name__)

AGENT_VERSION = "DU;odu-agent/0.1.0"
_MAXIMUM_QUEUED = 32
_SEND_TIMEOUT_SECONDS = 120.0
_LONGEST_WAIT_SECONDS = 300.0


class Reporter:
    """Sends reported patches in order; the oldest are dropped when very many wait."""

    def __init__(self, *, first_wait_seconds: float = 1.0) -> None:
        self._queue: deque[tuple[dict[str, Any], _Taken | None]] = deque(maxlen=_MAXIMUM_QUEUED)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._first_wait_seconds = first_wait_seconds

    def put(self, patch: dict[str, Any], on_taken: _Taken | None = None) -> None:
        """Queue a patch; `on_taken` is called once the hub has it, or will not have it."""
        self._queue.append((patch, on_taken))
        self._idle.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until every queued patch was taken by the hub."""
        await self._idle.wait()

    async def run(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Send what is queued, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                patch, on_taken = self._queue.popleft()
                await self._send(send, patch)
                if on_taken is not None:
                    on_taken()
            self._idle.set()

    async def _send(
        self, send: Callable[[dict[str, Any]], Awaitable[None]], patch: dict[str, Any]
    ) -> None:
        for smaller in ever_smaller(patch):
            try:
                await self._send_until_taken(send, smaller)
            except RefusedError as error:
                logger.warning("a report was refused: %s", describe(error))
            else:
                return
        logger.error("a report was dropped, for the hub refuses it in any form")

    async def _send_until_taken(
        self, send: Callable[[dict[str, Any]], Awaitable[None]], patch: dict[str, Any]
    ) -> None:
        wait = self._first_wait_seconds
        while True:
            try:
                await asyncio.wait_for(send(patch), _SEND_TIMEOUT_SECONDS)
            except RefusedError:
                raise
            except PASSING_ERRORS as error:
                logger.warning("a report was not taken: %s", describe(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            else:
                return


class ResultReporter:
    """Puts the moments of a deployment into reports.

    Args:
        reporter: Sends them.
        with_phase: Whether reports carry the additional member `phase`.
    """

    def __init__(self, reporter: Reporter, *, with_phase: bool) -> None:
        self._reporter = reporter
        self._with_phase = with_phase
        self._phase: str | None = None
        self._is_waiting = False

    def begin(self) -> None:
        """A deployment begins: no phase has been reported of it."""
        self._phase = None
        self._is_waiting = False

    def report(self, state: AgentState, result_code: int, command: Command, **details: Any) -> None:
        """Report a state and result of a command; `details` as `result_report` takes them."""
        self._reporter.put(self._result(state, result_code, command, **details))

    def report_phase(self, command: Command, phase: str, waiting: str | None = None) -> None:
        """Report that a phase began, if phases are reported, or why it has to wait."""
        is_told = waiting is None and not self._is_waiting
        if is_told and (not self._with_phase or phase == self._phase):
            return
        self._is_waiting = waiting is not None
        if waiting is None:
            self._phase = phase
        self.report(
            AgentState.DEPLOYMENT_IN_PROGRESS,
            ResultCode.SUCCESS,
            command,
            result_details=None if waiting is None else brief(f"waiting before {phase}: {waiting}"),
        )

    def report_refused(
        self, command: Command, error: VerificationError, package_code: Erc | None
    ) -> None:
        """Report a deployment that failed verification."""
        codes = (error.erc,) if package_code is None else (error.erc, package_code)
        self.report(
            AgentState.FAILED,
            ResultCode.FAILURE,
            command,
            extended_result_codes=codes,
            result_details=brief(error.message),
        )

    def known(self, command: Command, done: Finished) -> dict[str, Any]:
        """The report again of how a workflow ended, as far as that is known."""
        is_completed, is_failed = done.ended == Ended.COMPLETED, done.ended == Ended.FAILED
        code = ResultCode.FAILURE if is_failed else ResultCode.CANCELLED
        installed = parse_installed_update_id(done.installed_update_id)
        return self._result(
            AgentState.FAILED if is_failed else AgentState.IDLE,
            ResultCode.APPLY_SUCCESS if is_completed else code,
            command,
            installed_update_id=installed if is_completed else None,
        )

    def end(self, operation: Operation, ended: Ended, result: DeploymentResult) -> dict[str, Any]:
        """The report of a deployment's end; one that was cancelled counts as that alone."""
        self._phase = None
        codes = (*result.extended_result_codes, operation.package_code)
        state, code = AgentState.IDLE, result.result_code
        if ended == Ended.FAILED:
            state = AgentState.FAILED
        elif ended == Ended.CANCELLED:
            code, codes = ResultCode.CANCELLED, (Erc.NONE, operation.package_code)
        return self._result(
            state,
            code,
            operation.command,
            extended_result_codes=codes,
            result_details=brief(result.details),
            step_results=[
                replace(step, result_details=brief(step.result_details)) for step in result.steps
            ],
            installed_update_id=(
                operation.manifest.update_id if ended == Ended.COMPLETED else None
            ),
        )

    def _result(
        self, state: AgentState, result_code: int, command: Command, **details: Any
    ) -> dict[str, Any]:
        extra = {"phase": self._phase} if self._with_phase else {}
        workflow = workflow_member(command.action, command.workflow_id, command.retry_timestamp)
        return result_report(state, result_code, workflow=workflow, extra=extra, **details)


def own_startup_report(config: AgentConfig) -> dict[str, Any]:
    """The start-up report of this device."""
    return startup_report(
        config.manufacturer,
        config.model,
        additional=config.additional_properties,
        compatibility_names=config.compatibility_names,
        agent_version=AGENT_VERSION,
    )


def own_device_information(config: AgentConfig) -> dict[str, Any]:
    """The facts about this device; sizes in kilobytes."""
    facts: dict[str, str | int] = {
        "manufacturer": config.manufacturer,
        "model": config.model,
        "osName": platform.system(),
        "swVersion": platform.release(),
        "processorArchitecture": platform.machine(),
        "processorManufacturer": platform.processor() or "unknown",
        "totalMemory": _memory_kilobytes(),
        "totalStorage": shutil.disk_usage(config.data_folder).total // 1024,
    }
    return device_information({**facts, **config.information})


def _memory_kilobytes() -> int:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not all(name in getattr(os, "sysconf_names", {}) for name in names):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
