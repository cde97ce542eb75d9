"""Carry out one verified deployment, in a thread of its own.

All steps are planned (`plan`); then all are downloaded, then each is backed up, installed and
applied before the next. A failure to install or apply restores that step. Cancelling is noticed
between actions, within downloads, and by handlers that look for it.

A step may ask for a restart of the device or the agent. Now means now; later means after the other
steps, but for those of the same update (or child and component), which wait for the next run.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .content import Content
from .contract.codes import Erc, ResultCode
from .contract.manifest import ManifestError, UpdateManifest
from .contract.twin import StepReport
from .fetching import DownloadCancelledError, DownloadError
from .handlers import CANCELLED, Restart, StepContext, StepResult
from .plan import OWN_LOOP, Part, Planner
from .redaction import redact
from .result import DeploymentResult
from .state import JsonFile
from .verification import VerificationError
from .workflow import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .components import Enumerator
    from .delta.sources import SourceCache
    from .fetching import Fetcher
    from .handlers import Handler
    from .workflow import Command

logger = logging.getLogger(__name__)

_MOST_RESTARTS = 3
_RESTARTS_NOW: dict[int, Restart] = {
    ResultCode.INSTALL_REBOOT_NOW: Restart.DEVICE,
    ResultCode.APPLY_REBOOT_NOW: Restart.DEVICE,
    ResultCode.INSTALL_RESTART_NOW: Restart.AGENT,
    ResultCode.APPLY_RESTART_NOW: Restart.AGENT,
}
_RESTARTS_LATER: dict[int, Restart] = {
    ResultCode.INSTALL_REBOOT_LATER: Restart.DEVICE,
    ResultCode.APPLY_REBOOT_LATER: Restart.DEVICE,
    ResultCode.INSTALL_RESTART_LATER: Restart.AGENT,
    ResultCode.APPLY_RESTART_LATER: Restart.AGENT,
}


@dataclass(frozen=True)
class DeploymentTools:
    """What a deployment works with.

    Attributes:
        handlers: By the names that steps use.
        downloader: Fetches files.
        folder: Of the workflow; files in it survive a retry.
        cancelled: Set to stop the deployment.
        check: Called with the whole manifest before anything of it is fetched, and again before
            it is installed; raises `VerificationError`.
        on_phase: Told when downloading, installing and applying begin; may wait there, and raise.
        enumerator: Loads who knows the device's components; gives None where the device is all
            there is. Called for updates with reference steps.
        sources: Files of former updates, for deltas; None where none are kept.
    """

    handlers: Mapping[str, Handler]
    downloader: Fetcher
    folder: Path
    cancelled: threading.Event
    check: Callable[[UpdateManifest], None]
    on_phase: Callable[[str], None]
    enumerator: Callable[[], Enumerator | None] = lambda: None
    sources: SourceCache | None = None


class _StopError(Exception):
    """The deployment ends here; `result` is that of the step at fault."""

    def __init__(self, result: StepResult) -> None:
        super().__init__(result)
        self.result = result


class _RestartError(Exception):
    """A step cannot be judged before the device or the agent has restarted."""

    def __init__(self, restart: Restart) -> None:
        super().__init__(restart)
        self.restart = restart


class Deployment:
    """One run of one command's manifest."""

    def __init__(self, command: Command, manifest: UpdateManifest, tools: DeploymentTools) -> None:
        self._manifest = manifest
        self._tools = tools
        self._content = Content(command.file_urls, tools.downloader, tools.cancelled, tools.sources)
        self._restarts = JsonFile(tools.folder / "restarts.json")
        self._steps = [StepReport(ResultCode.FAILURE)] * len(manifest.steps)
        self._is_late = tools.cancelled.is_set()

    def run(self) -> DeploymentResult:
        """Carry it out; every failure becomes a result."""
        try:
            restart = self._run_to_restart()
        except _StopError as stop:
            return self._ended_by(stop.result)
        except DownloadCancelledError:
            return self._ended_by(CANCELLED)
        except (DownloadError, ManifestError, VerificationError) as error:
            return self._ended_by(StepResult(ResultCode.FAILURE, (error.erc,), error.message))
        except OSError as error:
            return self._ended_by(_os_failure(error))
        return DeploymentResult(
            ended=Ended.COMPLETED,
            result_code=ResultCode.APPLY_SUCCESS,
            extended_result_codes=(Erc.NONE, *self._content.notes),
            steps=tuple(self._steps),
            restart=restart,
        )

    def _run_to_restart(self) -> Restart | None:
        try:
            return self._run()
        except _RestartError as error:
            return error.restart

    def _run(self) -> Restart | None:
        parts = self._plan()
        if all(self._is_installed(part) for part in parts):
            self._keep(parts)
            return None
        self._enter("download")
        for part in parts:
            if not self._is_installed(part):
                self._act(part, part.handler.download)
        self._tools.check(self._manifest)
        restart = self._install_all(parts)
        if restart is None:
            self._keep(parts)
        return restart

    def _keep(self, parts: tuple[Part, ...]) -> None:
        """The files of what is now installed may be the sources of deltas to come."""
        for part in parts:
            self._content.keep(*part.files)

    def _plan(self) -> tuple[Part, ...]:
        planner = Planner(
            handlers=self._tools.handlers,
            content=self._content,
            folder=self._tools.folder,
            cancelled=self._tools.cancelled,
            load_enumerator=self._tools.enumerator,
        )
        self._manifest = planner.whole(self._manifest)
        self._steps = [StepReport(ResultCode.FAILURE)] * len(self._manifest.steps)
        self._tools.check(self._manifest)
        plan = planner.plan(self._manifest)
        for position in plan.unmatched:
            self._steps[position] = StepReport(ResultCode.INSTALL_SKIPPED_NO_COMPONENT)
        return plan.parts

    def _install_all(self, parts: tuple[Part, ...]) -> Restart | None:
        left: set[str] = set()
        wanted: set[Restart] = set()
        for part in parts:
            if not left.isdisjoint((part.loop, OWN_LOOP)) or self._is_installed(part):
                continue
            code = self._install(part)
            if code in _RESTARTS_NOW:
                return self._restart(part, _RESTARTS_NOW[code])
            if code in _RESTARTS_LATER:
                left.add(part.loop)
                wanted.add(self._restart(part, _RESTARTS_LATER[code]))
        if Restart.DEVICE in wanted:
            return Restart.DEVICE
        return Restart.AGENT if wanted else None

    def _restart(self, part: Part, restart: Restart) -> Restart:
        """Count the restarts that a step has asked for: without end is a failure."""
        asked = self._restarts.read().get(part.name, 0)
        if asked >= _MOST_RESTARTS:
            self._restarts.update({part.name: 0})
            self._fail(part, f"still not installed after {asked} restarts")
        self._restarts.update({part.name: asked + 1})
        return restart

    def _fail(self, part: Part, details: str) -> None:
        result = StepResult(ResultCode.FAILURE, (Erc.STEPS_RESTARTS_WITHOUT_END,), details)
        self._note(part, result)
        raise _StopError(result)

    def _enter(self, phase: str) -> None:
        """A phase may have to wait for its time, and be cancelled meanwhile."""
        self._tools.on_phase(phase)
        if self._tools.cancelled.is_set():
            raise _StopError(CANCELLED)

    def _ended_by(self, result: StepResult) -> DeploymentResult:
        is_cancelled = result.result_code == ResultCode.CANCELLED
        return DeploymentResult(
            ended=Ended.CANCELLED if is_cancelled else Ended.FAILED,
            result_code=result.result_code,
            extended_result_codes=result.extended_result_codes,
            details=result.details,
            steps=tuple(self._steps),
        )

    def _is_installed(self, part: Part) -> bool:
        result = self._call(part, part.handler.is_installed, is_question=True)
        if result.result_code in _RESTARTS_NOW:
            raise _RestartError(self._restart(part, _RESTARTS_NOW[result.result_code]))
        if result.result_code != ResultCode.INSTALLED:
            return False
        if self._steps[part.position].result_code != ResultCode.APPLY_SUCCESS:
            self._steps[part.position] = StepReport(ResultCode.INSTALL_SKIPPED_INSTALLED)
        return True

    def _install(self, part: Part) -> int:
        """Install and apply a step; the code of its last action may ask for a restart."""
        self._enter("install")
        self._act(part, part.handler.backup)
        try:
            code = self._act(part, part.handler.install)
            if code in _RESTARTS_NOW or code in _RESTARTS_LATER:
                return code
            self._enter("apply")
            code = self._act(part, part.handler.apply)
        except _StopError as stop:
            if stop.result.result_code != ResultCode.CANCELLED:
                self._call(part, part.handler.restore)
            raise
        if code not in _RESTARTS_NOW and code not in _RESTARTS_LATER:
            self._steps[part.position] = StepReport(ResultCode.APPLY_SUCCESS)
        return code

    def _act(self, part: Part, action: Callable[[StepContext], StepResult]) -> int:
        """Run an action and note its result; what it did stands even if it was then cancelled."""
        if self._tools.cancelled.is_set():
            raise _StopError(CANCELLED)
        result = self._call(part, action)
        if self._tools.cancelled.is_set():
            self._call(part, part.handler.cancel)
            result = CANCELLED
        self._note(part, result)
        if not result.is_success:
            raise _StopError(result)
        return result.result_code

    def _note(self, part: Part, result: StepResult) -> None:
        self._steps[part.position] = StepReport(
            result.result_code, result.extended_result_codes, result.details
        )

    def _call(
        self,
        part: Part,
        action: Callable[[StepContext], StepResult],
        *,
        is_question: bool = False,
    ) -> StepResult:
        context = part.context
        if is_question and self._is_late:
            # It was cancelled before it was begun again: what it left behind has to be told.
            context = replace(context, cancelled=threading.Event())
        try:
            result = action(context)
        except DownloadCancelledError:
            return CANCELLED
        except (DownloadError, ManifestError) as error:
            return StepResult(ResultCode.FAILURE, (error.erc,), error.message)
        except OSError as error:
            return _os_failure(error)
        except Exception as error:
            # A handler is foreign code: whatever it raises must not end the agent.
            logger.warning("handler %s broke", part.context.step.handler, exc_info=error)
            return StepResult(
                ResultCode.FAILURE, (Erc.HANDLER_INSTALL_EXCEPTION,), type(error).__name__
            )
        details = None if result.details is None else redact(result.details)
        return StepResult(result.result_code, result.extended_result_codes, details)


def _os_failure(error: OSError) -> StepResult:
    """The system's own error number is an ERC of the general facility."""
    return StepResult(ResultCode.FAILURE, (error.errno or 0,), error.strerror)
