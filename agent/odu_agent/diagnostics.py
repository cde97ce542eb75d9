"""Uploads the device's logs when the service asks for them.

Every request is acknowledged at once and answered once: the answer is remembered over restarts and
given again when the same request comes again. Uploads run beside deployments, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contract.diagnostics import (
    OPERATION_ID,
    SAS_URL,
    LogResult,
    log_acknowledgement,
    log_folder,
    log_result,
)
from .contract.twin import DIAGNOSTIC_INFORMATION
from .log_files import JOURNAL, LogFile, journal, newest_files, without_secrets
from .state import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .config import AgentConfig
    from .desired import DesiredSection
    from .log_upload import LogUploader
    from .reporting import Reporter
    from .state import DeviceState

logger = logging.getLogger(__name__)


class Diagnostics:
    """Follows the desired section for requests of logs.

    Args:
        config: The settings, with the folders that hold logs.
        state: Remembers the last answer.
        reporter: Sends acknowledgements and results.
        identity: Of the device and module, once connected.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: DeviceState,
        reporter: Reporter,
        identity: Callable[[], tuple[str, str | None]],
    ) -> None:
        self._identity = identity
        self._config = config
        self._state = state
        self._reporter = reporter
        self._handled: Any = None
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled = threading.Event()

    def follow(self, desired: DesiredSection) -> None:
        """Take up what the desired section asks for, if it is news."""
        service = desired.service_of(DIAGNOSTIC_INFORMATION)
        if not isinstance(service, dict) or service == self._handled:
            return
        self._handled = service
        assert desired.version is not None
        self._reporter.put(log_acknowledgement(service, desired.version))
        task = asyncio.create_task(self._answer(service))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Interrupt an upload; it begins anew at the next start."""
        self._cancelled.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the upload of logs broke", exc_info=error)

    async def _answer(self, service: Mapping[str, Any]) -> None:
        operation_id = service.get(OPERATION_ID)
        operation_id = operation_id if isinstance(operation_id, str) else ""
        async with self._one_at_a_time:
            code = await asyncio.to_thread(self._known_result, operation_id)
            if code is None:
                code = await asyncio.to_thread(self._upload, operation_id, service.get(SAS_URL))
            if code is None:
                return
            logger.info("logs for operation %.64s: %s", operation_id, code.name)
            if operation_id:
                await asyncio.to_thread(self._state.save_log_result, operation_id, int(code))
            self._reporter.put(log_result(operation_id, code))

    def _known_result(self, operation_id: str) -> LogResult | None:
        known_id, code = self._state.log_result()
        if not operation_id or known_id != operation_id or code not in set(LogResult):
            return None
        return LogResult(code)

    def _upload(self, operation_id: str, url: Any) -> LogResult | None:
        """Upload every component's newest files; None when interrupted."""
        if not operation_id:
            return LogResult.NO_OPERATION_ID
        if not isinstance(url, str) or not url:
            return LogResult.NO_SAS_URL
        if not self._config.log_components:
            return LogResult.NO_COMPONENTS
        from .log_upload import LogUploader, UploadCancelledError, UploadError

        try:
            with closing(LogUploader(url, self._config.ca_file, self._cancelled)) as uploader:
                return self._upload_all(operation_id, uploader)
        except UploadCancelledError:
            return None
        except UploadError as error:
            logger.warning("logs cannot be uploaded: %s", error)
            return error.result
        except OSError as error:
            logger.warning("logs cannot be read: %s", error.strerror)
            return LogResult.FAILURE

    def _upload_all(self, operation_id: str, uploader: LogUploader) -> LogResult:
        device_id, module_id = self._identity()
        prefix = log_folder(device_id, module_id, operation_id)
        scratch = private_folder(self._config.data_folder / "log-upload")
        try:
            for name, place in self._config.log_components.items():
                files = self._files(place, scratch)
                if not files:
                    logger.warning("no logs of %s in %s", name, place)
                    return LogResult.NO_LOGS_FOUND
                for file in files:
                    self._put(uploader, f"{prefix}/{name}/{file.path.name}", file, scratch)
            return LogResult.SUCCESS
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _files(self, place: Path | str, scratch: Path) -> list[LogFile]:
        most = self._config.maximum_log_bytes
        if isinstance(place, str) and place.startswith(JOURNAL):
            return journal(place[len(JOURNAL) :], scratch, most)
        return newest_files(Path(place), most)

    def _put(self, uploader: LogUploader, name: str, file: LogFile, scratch: Path) -> None:
        try:
            copy = without_secrets(file, private_folder(scratch / "copy"))
        except FileNotFoundError:
            # It was rotated away meanwhile.
            return
        uploader.put(name, copy)
        copy.path.unlink(missing_ok=True)
