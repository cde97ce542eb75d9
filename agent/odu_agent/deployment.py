"""Carry out one verified deployment, in a thread of its own.

All steps are planned, reference steps unfolded into their child's steps; then all are downloaded,
then each is backed up, installed and applied before the next. A failure to install or apply
restores that step. Cancelling is noticed between actions and within downloads.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract.codes import Erc, ResultCode
from .contract.manifest import (
    ManifestError,
    ManifestFile,
    UpdateManifest,
    parse_detached,
    parse_update_manifest,
)
from .contract.twin import StepReport
from .download import DownloadCancelledError, DownloadError
from .handlers import CANCELLED, LocalFile, Restart, StepContext, StepResult
from .names import is_plain_file_name, local_name
from .redaction import redact
from .verification import VerificationError
from .workflow import Ended

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .contract.manifest import ManifestStep
    from .download import Downloader
    from .handlers import Handler
    from .workflow import Command

logger = logging.getLogger(__name__)

_MAXIMUM_DETACHED_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class DeploymentResult:
    """How a deployment ended, as it is reported.

    With `restart` it has not ended: it goes on once the device or the agent has been restarted, and
    nothing is reported until then.
    """

    ended: Ended
    result_code: int
    extended_result_codes: tuple[int, ...] = (Erc.NONE,)
    details: str | None = None
    steps: tuple[StepReport, ...] = ()
    restart: Restart | None = None


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
        on_phase: Told when downloading, installing and applying begin.
    """

    handlers: Mapping[str, Handler]
    downloader: Downloader
    folder: Path
    cancelled: threading.Event
    check: Callable[[UpdateManifest], None]
    on_phase: Callable[[str], None]


@dataclass(frozen=True)
class _Part:
    """An inline step with its handler; `position` is that of its top-level step."""

    position: int
    handler: Handler
    context: StepContext


class _StopError(Exception):
    """The deployment ends here; `result` is that of the step at fault."""

    def __init__(self, result: StepResult) -> None:
        super().__init__(result)
        self.result = result


class Deployment:
    """One run of one command's manifest."""

    def __init__(self, command: Command, manifest: UpdateManifest, tools: DeploymentTools) -> None:
        self._command = command
        self._manifest = manifest
        self._tools = tools
        self._steps = [StepReport(ResultCode.FAILURE)] * len(manifest.steps)

    def run(self) -> DeploymentResult:
        """Carry it out; every failure becomes a result."""
        try:
            self._run()
        except _StopError as stop:
            return self._ended_by(stop.result)
        except DownloadCancelledError:
            return self._ended_by(CANCELLED)
        except (DownloadError, ManifestError, VerificationError) as error:
            return self._ended_by(StepResult(ResultCode.FAILURE, (error.erc,), error.message))
        except OSError as error:
            return self._ended_by(_os_failure(error))
        return DeploymentResult(Ended.COMPLETED, ResultCode.APPLY_SUCCESS, steps=tuple(self._steps))

    def _run(self) -> None:
        manifest = self._whole_manifest()
        self._tools.check(manifest)
        parts = self._plan(manifest)
        if all(self._is_installed(part) for part in parts):
            return
        self._tools.on_phase("download")
        for part in parts:
            if not self._is_installed(part):
                self._act(part, part.handler.download)
        self._tools.check(manifest)
        for part in parts:
            if not self._is_installed(part):
                self._install(part)

    def _ended_by(self, result: StepResult) -> DeploymentResult:
        is_cancelled = result.result_code == ResultCode.CANCELLED
        return DeploymentResult(
            ended=Ended.CANCELLED if is_cancelled else Ended.FAILED,
            result_code=result.result_code,
            extended_result_codes=result.extended_result_codes,
            details=result.details,
            steps=tuple(self._steps),
        )

    def _whole_manifest(self) -> UpdateManifest:
        """The manifest itself, or the one in the file that a short manifest names."""
        file_id = self._manifest.detached_manifest_file_id
        if file_id is None:
            return self._manifest
        text = self._detached(file_id, Erc.DETACHED_FILE_MISSING)
        manifest = parse_update_manifest(text)
        if manifest.update_id != self._manifest.update_id or manifest.detached_manifest_file_id:
            raise ManifestError(Erc.DETACHED_BAD, "the detached manifest is of another update")
        self._steps = [StepReport(ResultCode.FAILURE)] * len(manifest.steps)
        return manifest

    def _detached(self, file_id: str, missing: Erc) -> str:
        file = self._manifest.files.get(file_id)
        if file is None:
            raise ManifestError(missing, "the file of a detached manifest is not listed")
        if file.size_in_bytes > _MAXIMUM_DETACHED_BYTES:
            raise ManifestError(Erc.DETACHED_BAD, "a detached manifest is too large")
        path = self._tools.folder / "manifests" / local_name(file_id)
        self._fetch(file_id, file, path)
        try:
            return parse_detached(path.read_text("utf-8"))
        except UnicodeDecodeError:
            raise ManifestError(Erc.DETACHED_NOT_JSON, "a detached manifest is not UTF-8") from None

    def _plan(self, manifest: UpdateManifest) -> list[_Part]:
        parts = []
        for position, step in enumerate(manifest.steps):
            file_id = step.detached_manifest_file_id
            if file_id is None:
                parts.append(self._part(manifest, position, position, step))
                continue
            text = self._detached(file_id, Erc.STEPS_FILE_MISSING)
            child = parse_update_manifest(text, check_version=False)
            if child.detached_manifest_file_id or any(inner.is_reference for inner in child.steps):
                raise ManifestError(Erc.STEPS_NESTED_REFERENCE, "a child refers to a further child")
            parts += [
                self._part(child, position, index, inner) for index, inner in enumerate(child.steps)
            ]
        return parts

    def _part(
        self, manifest: UpdateManifest, position: int, index: int, step: ManifestStep
    ) -> _Part:
        handler = self._tools.handlers.get(step.handler or "")
        if handler is None:
            raise ManifestError(
                Erc.HANDLER_NOT_REGISTERED, f"there is no handler {step.handler!r:.80}"
            )
        is_child = manifest.update_id != self._manifest.update_id
        folder = self._tools.folder / (f"child-{position}" if is_child else "files")
        files = [self._local_file(manifest, file_id, folder) for file_id in step.files]
        work_folder = self._tools.folder / "work" / f"{position}-{index}"
        work_folder.mkdir(parents=True, exist_ok=True)

        def fetch_files(*file_ids: str) -> None:
            for file in files:
                if not file_ids or file.file_id in file_ids:
                    self._fetch(file.file_id, manifest.files[file.file_id], file.path)

        context = StepContext(
            update_id=manifest.update_id,
            index=index,
            step=step,
            files=tuple(files),
            work_folder=work_folder,
            cancelled=self._tools.cancelled,
            fetch_files=fetch_files,
        )
        return _Part(position, handler, context)

    def _local_file(self, manifest: UpdateManifest, file_id: str, folder: Path) -> LocalFile:
        file = manifest.files.get(file_id)
        if file is None:
            raise ManifestError(
                Erc.STEPS_FILE_MISSING, f"a step names no file of it: {file_id:.64}"
            )
        if not is_plain_file_name(file.file_name):
            raise ManifestError(
                Erc.DOWNLOAD_INVALID_FILE, f"the file name {file.file_name!r:.80} is not allowed"
            )
        return LocalFile(file_id, file.file_name, folder / local_name(file_id))

    def _fetch(self, file_id: str, file: ManifestFile, path: Path) -> None:
        url = self._command.file_urls.get(file_id)
        if url is None:
            raise DownloadError(Erc.DOWNLOAD_INVALID_URL, f"file {file_id:.64} has no address")
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < file.size_in_bytes:
            raise DownloadError(Erc.NO_SPACE, f"no space for {file.size_in_bytes} bytes")
        self._tools.downloader.fetch(url, file, path, self._tools.cancelled)

    def _is_installed(self, part: _Part) -> bool:
        result = self._call(part, part.handler.is_installed)
        if result.result_code != ResultCode.INSTALLED:
            return False
        if self._steps[part.position].result_code != ResultCode.APPLY_SUCCESS:
            self._steps[part.position] = StepReport(ResultCode.INSTALL_SKIPPED_INSTALLED)
        return True

    def _install(self, part: _Part) -> None:
        self._tools.on_phase("install")
        self._act(part, part.handler.backup)
        try:
            self._act(part, part.handler.install)
            self._tools.on_phase("apply")
            self._act(part, part.handler.apply)
        except _StopError as stop:
            if stop.result.result_code != ResultCode.CANCELLED:
                self._call(part, part.handler.restore)
            raise
        self._steps[part.position] = StepReport(ResultCode.APPLY_SUCCESS)

    def _act(self, part: _Part, action: Callable[[StepContext], StepResult]) -> None:
        """Run an action and note its result; what it did stands even if it was then cancelled."""
        if self._tools.cancelled.is_set():
            raise _StopError(CANCELLED)
        result = self._call(part, action)
        if self._tools.cancelled.is_set():
            self._call(part, part.handler.cancel)
            result = CANCELLED
        self._steps[part.position] = StepReport(
            result.result_code, result.extended_result_codes, result.details
        )
        if not result.is_success:
            raise _StopError(result)

    def _call(self, part: _Part, action: Callable[[StepContext], StepResult]) -> StepResult:
        try:
            result = action(part.context)
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
