"""The agent: one device's loop from the desired section to handlers and back to reports.

All state changes happen in one task, fed by a queue of what the hub sent and what the working
thread finished, so that no lock is needed. Blocking work runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .connection import create_client, get_twin, open_connection
from .contract.codes import AgentState, Erc, ResultCode
from .contract.manifest import installed_update_id_text
from .contract.twin import acknowledgement
from .desired import DesiredSection, News
from .diagnostics import Diagnostics
from .hub import PASSING_ERRORS
from .means import Means
from .operation import Operation
from .reporting import (
    Reporter,
    ResultReporter,
    own_device_information,
    own_startup_report,
)
from .result import DeploymentResult
from .state import DeviceState, private_folder
from .unfinished import Unfinished, unfinished_from_json, unfinished_to_json
from .verification import VerificationError
from .workflow import (
    Command,
    CommandError,
    Decision,
    Ended,
    Workflow,
    decide,
    end,
    finished_from_json,
    finished_to_json,
    parse_command,
    take_up,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .config import AgentConfig
    from .handlers import Handler, Restart
    from .hub import HubClient
    from .limits import DownloadLimits

logger = logging.getLogger(__name__)


class Agent:
    """One device.

    Args:
        config: Its settings.
        handlers: Step handlers by name; by default those that are installed, or the simulator if
            the settings ask for it.
        client_factory: Makes the hub client; by default MQTT as the settings say.
        limits: Bounds of downloads; by default those of the settings.
        restart: Restarts the device or the agent when an update asks for it, and may raise
            `OSError`; without it the update goes on as after a restart.
    """

    def __init__(
        self,
        config: AgentConfig,
        handlers: Mapping[str, Handler] | None = None,
        client_factory: Callable[[AgentConfig], HubClient] = create_client,
        limits: DownloadLimits | None = None,
        restart: Callable[[Restart], None] | None = None,
    ) -> None:
        self._config = config
        self._name = config.device_name
        self._client_factory = client_factory
        self._restart = restart
        self._state = DeviceState(config.data_folder)
        self._means = Means(config, self._state, handlers, limits)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Connect and follow the twin until `stop` is called or the task is cancelled."""
        await asyncio.to_thread(private_folder, self._config.data_folder)
        finished = await asyncio.to_thread(self._state.finished)
        reporter = Reporter()
        client = self._client_factory(self._config)
        session = _Session(
            self._config, means=self._means, reporter=reporter, client=client, restart=self._restart
        )
        session.workflow = Workflow(finished=finished_from_json(finished))
        tasks = [
            asyncio.create_task(session.run()),
            asyncio.create_task(reporter.run(client.patch_twin_reported_properties)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()
            await client.shutdown()
            self._means.close()

    async def stop(self) -> None:
        """End `run`; an operation that runs is interrupted and goes on at the next start."""
        self._stopping.set()


class _Session:
    """What happens between the start and the end of `Agent.run`."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        means: Means,
        reporter: Reporter,
        client: HubClient,
        restart: Callable[[Restart], None] | None,
    ) -> None:
        self.workflow = Workflow()
        self._name = config.device_name
        self._config = config
        self._means = means
        self._restart = restart
        self._reporter = reporter
        self._results = ResultReporter(reporter, with_phase=config.report_phases)
        self._client = client
        self._desired = DesiredSection()
        self._diagnostics = Diagnostics(config, means.state, reporter, lambda: client.identity)
        self._events: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"odu-{self._name}")
        self._cancelled = threading.Event()
        self._waiting: Operation | None = None
        self._saving: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Follow the twin, for ever."""
        twin = await open_connection(self._client, self._receive)
        logger.info("%s: connected", self._name)
        await self._tell_last_end()
        await self._take_up(twin.get("desired"))
        await self._follow(twin.get("desired"), is_startup=True)
        self._reporter.put(own_startup_report(self._config))
        self._reporter.put(own_device_information(self._config))
        while True:
            handle = await self._events.get()
            await handle()

    async def close(self) -> None:
        """Interrupt what runs and wait for it; what the installing half does goes on."""
        self._means.leave()
        self._cancelled.set()
        await self._diagnostics.close()
        await asyncio.gather(*self._saving)
        await asyncio.to_thread(self._executor.shutdown)

    async def _tell_last_end(self) -> None:
        """What ended last is told before all else, if an earlier process did not get to it."""
        unsent = await asyncio.to_thread(self._means.state.unsent_report)
        if unsent is not None:
            self._put_end(*unsent)

    def _put_end(self, workflow_id: str, report: dict[str, Any]) -> None:
        def remember() -> None:
            saving = asyncio.to_thread(self._means.state.save_sent, workflow_id)
            task = asyncio.ensure_future(saving)
            self._saving.add(task)
            task.add_done_callback(self._saving.discard)

        self._reporter.put(report, remember)

    async def _take_up(self, section: Any) -> None:
        """What an earlier process had begun, and the twin no longer asks for, is to stop."""
        note = await asyncio.to_thread(self._means.state.begun)
        begun = unfinished_from_json(note)
        desired = DesiredSection()
        desired.receive(section)
        if begun is None or begun.is_wanted(desired.service):
            return
        command = begun.operation.command
        logger.info("%s: workflow %.64s was begun before", self._name, command.workflow_id)
        await asyncio.to_thread(self._means.prepare)
        self.workflow = take_up(self.workflow, command, begun.seen)
        await self._start(begun.operation)

    def _receive(self, patch: Any) -> None:
        self._events.put_nowait(lambda: self._follow(patch))

    async def _follow(self, section: Any, *, is_startup: bool = False) -> None:
        news = self._desired.receive(section)
        if news == News.GAP:
            try:
                news = self._desired.receive_whole((await get_twin(self._client)).get("desired"))
            except PASSING_ERRORS as error:
                # The whole section comes when the connection is back.
                logger.warning("%s: twin out of reach: %s", self._name, type(error).__name__)
                return
        self._diagnostics.follow(self._desired)
        if news == News.SERVICE:
            await self._handle_service(self._desired.service, is_startup=is_startup)

    async def _handle_service(self, service: Any, *, is_startup: bool) -> None:
        try:
            command = parse_command(service)
        except CommandError as error:
            logger.warning("%s: desired properties ignored: %s", self._name, error)
            return
        workflow, decision = decide(self.workflow, command, is_startup=is_startup)
        logger.info("%s: workflow %.64s: %s", self._name, command.workflow_id, decision.value)
        is_replacement = decision == Decision.INTERRUPT and workflow.following is not None
        if decision == Decision.START or is_replacement:
            is_acknowledged = await self._accept(command, workflow, decision)
        else:
            is_acknowledged = True
            await self._act(command, workflow, decision)
        if is_acknowledged:
            assert self._desired.version is not None
            self._reporter.put(acknowledgement(service, self._desired.version))

    async def _act(self, command: Command, workflow: Workflow, decision: Decision) -> None:
        """Act on a command that starts nothing."""
        await self._remember(workflow)
        if decision == Decision.INTERRUPT:
            self._waiting = None
            self._cancelled.set()
        elif decision == Decision.REPORT_CANCELLED:
            self._results.report(AgentState.IDLE, ResultCode.IDLE_SUCCESS, command)
        elif decision == Decision.REPORT_KNOWN_RESULT:
            done = workflow.find_finished(command.workflow_id)
            assert done is not None
            kept = await asyncio.to_thread(self._means.state.last_report, done.workflow_id)
            self._reporter.put(kept or self._results.known(command, done))

    async def _accept(self, command: Command, workflow: Workflow, decision: Decision) -> bool:
        """Verify a deployment and start it; False where not even the root keys could be had."""
        self._results.report(AgentState.DEPLOYMENT_IN_PROGRESS, ResultCode.SUCCESS, command)
        await asyncio.to_thread(self._means.prepare)
        verifier, code = self._means.verifier, None
        try:
            code = await asyncio.to_thread(verifier.refresh_root_keys, command.root_key_package_url)
            manifest = await asyncio.to_thread(verifier.verify, command)
        except VerificationError as error:
            logger.warning("%s: deployment refused: %s", self._name, error.message)
            self._results.report_refused(command, error, code)
            return code is not None
        operation = Operation(command, manifest, code)
        await self._remember(workflow)
        if decision == Decision.INTERRUPT:
            self._waiting = operation
            self._cancelled.set()
        else:
            await self._start(operation)
        return True

    async def _start(self, operation: Operation) -> None:
        note = unfinished_to_json(Unfinished(operation, self.workflow.seen))
        await asyncio.to_thread(self._means.state.save_begun, note)
        loop = asyncio.get_running_loop()
        cancelled = self._cancelled = threading.Event()
        if self.workflow.is_cancelling:
            cancelled.set()

        def on_phase(phase: str, waiting: str | None) -> None:
            loop.call_soon_threadsafe(self._results.report_phase, operation.command, phase, waiting)

        self._results.begin()
        future = loop.run_in_executor(
            self._executor, self._means.worker.carry_out, operation, cancelled, on_phase
        )
        future.add_done_callback(
            lambda done: self._events.put_nowait(lambda: self._finish(operation, done))
        )

    async def _finish(self, operation: Operation, done: asyncio.Future[DeploymentResult]) -> None:
        result = _result_of(done)
        if result.restart is not None:
            # Also when it was cancelled meanwhile: what has become of it is known only after that.
            failed = await self._restarted(operation, result)
            if failed is None:
                return
            result = failed
        update_id = operation.manifest.update_id
        workflow, ended, following = end(
            self.workflow, result.ended, installed_update_id_text(update_id)
        )
        workflow_id, is_installed = operation.command.workflow_id, ended == Ended.COMPLETED
        if is_installed or (ended != Ended.FAILED and workflow.held is None):
            await asyncio.to_thread(
                self._means.worker.conclude, operation, is_installed=is_installed
            )
        # Of what another one takes the place of, only that it is installed is told.
        is_told = following is None or is_installed
        report = self._results.end(operation, ended, result) if is_told else None
        # First remembered, then sent: the report may be repeated after a crash, but not forgotten.
        self.workflow, entries = workflow, finished_to_json(workflow.ended)
        await asyncio.to_thread(self._means.state.save_end, entries, workflow_id, report)
        logger.info("%s: workflow %.64s %s", self._name, workflow_id, ended.value)
        if report is not None:
            self._put_end(workflow_id, report)
        if following is not None:
            assert self._waiting is not None
            waiting, self._waiting = self._waiting, None
            await self._start(waiting)

    async def _restarted(
        self, operation: Operation, result: DeploymentResult
    ) -> DeploymentResult | None:
        """Have restarted what a step asked for; nothing is reported until that is done.

        Returns:
            A result only where it cannot be done.
        """
        assert result.restart is not None
        logger.info("%s: the update asks for a restart of the %s", self._name, result.restart.value)
        if self._restart is None:
            # There is nothing to restart, as in a simulation: go on as after it.
            await self._start(operation)
            return None
        try:
            await asyncio.to_thread(self._restart, result.restart)
        except OSError as error:
            code = error.errno or Erc.UNEXPECTED_STATE
            return DeploymentResult(Ended.FAILED, 0, (code,), f"no restart: {error.strerror}")
        return None

    async def _remember(self, workflow: Workflow) -> None:
        is_news = workflow.ended != self.workflow.ended
        self.workflow = workflow
        if is_news:
            entries = finished_to_json(workflow.ended)
            await asyncio.to_thread(self._means.state.save_finished, entries)


def _result_of(done: asyncio.Future[DeploymentResult]) -> DeploymentResult:
    error = done.exception()
    if error is None:
        return done.result()
    logger.error("the deployment broke", exc_info=error)
    return DeploymentResult(
        Ended.FAILED, ResultCode.FAILURE, (Erc.HANDLER_INSTALL_EXCEPTION,), type(error).__name__
    )
