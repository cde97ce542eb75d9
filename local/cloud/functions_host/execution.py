"""The one way to run a function, for all triggers: invoke, write the outputs, log, retry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from azure.core.exceptions import AzureError

from local.cloud.functions_host.index import Function
from local.cloud.functions_host.outputs import QueueOutputs
from local.cloud.functions_host.worker import Call, Outcome, Worker

_logger = logging.getLogger("host")


@dataclass(frozen=True, slots=True)
class TriggerData:
    """What a trigger passes to its function."""

    data: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)
    trace_parent: str = ""
    trace_state: str = ""


class Executor:
    """Runs functions on behalf of the triggers."""

    def __init__(self, worker: Worker, outputs: QueueOutputs) -> None:
        self._worker = worker
        self._outputs = outputs

    async def run(self, function: Function, data: TriggerData) -> Outcome:
        """Run a function once; a failed output fails the run."""
        return await self._run(function, _call(function, data))

    async def run_with_retries(self, function: Function, data: TriggerData) -> Outcome:
        """Run a function under its retry policy; the last outcome counts.

        Only timers and Event Hubs use this: for the other triggers the real host ignores the
        policy.
        """
        outcome = await self.run(function, data)
        policy = function.retry
        retry = 0
        while policy and not outcome.ok and (policy.max_retries < 0 or retry < policy.max_retries):
            retry += 1
            await asyncio.sleep(policy.delay(retry))
            call = _call(function, data)
            call = replace(call, retry_count=retry, max_retry_count=policy.max_retries)
            outcome = await self._run(function, call)
        return outcome

    async def _run(self, function: Function, call: Call) -> Outcome:
        started = time.perf_counter()
        outcome = await self._worker.invoke(function.name, call)
        if outcome.ok and function.outputs:
            try:
                await self._outputs.write(function, outcome)
            except (AzureError, UnicodeDecodeError) as error:
                outcome = replace(outcome, ok=False, error=f"an output was not written: {error}")
        seconds = time.perf_counter() - started
        if outcome.ok:
            _logger.debug("%s succeeded %s %.3f s", function.name, outcome.invocation_id, seconds)
        else:
            _logger.error(
                "%s failed %s %.3f s: %s",
                function.name,
                outcome.invocation_id,
                seconds,
                outcome.error,
            )
        return outcome


def _call(function: Function, data: TriggerData) -> Call:
    return Call(
        function_id=function.function_id,
        parameter=function.trigger.parameter,
        data=data.data,
        metadata=data.metadata,
        trace_parent=data.trace_parent,
        trace_state=data.trace_state,
    )
