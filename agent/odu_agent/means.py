"""What an agent works with, made when it is first needed: an idle one needs none of it."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .config import AgentConfig
    from .download import Downloader
    from .handlers import Handler
    from .limits import DownloadLimits
    from .operation import Operation
    from .result import DeploymentResult
    from .state import DeviceState
    from .verification import Verifier


class OperationWorker(Protocol):
    """Carries out operations, in this process or by another."""

    def carry_out(
        self,
        operation: Operation,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> DeploymentResult:
        """Run a deployment to its end; `on_phase` is told of each phase, or why it waits."""

    def conclude(self, operation: Operation, *, is_installed: bool) -> None:
        """Clean up after a workflow that ended for good."""

    def leave(self) -> None:
        """The agent ends: what another process is doing for it goes on without it."""


class Means:
    """The heavier parts of one device's agent.

    Args:
        config: The settings.
        state: What the agent remembers.
        handlers: By name; None for those that are installed.
        limits: Of downloads; None for those of the settings.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: DeviceState,
        handlers: Mapping[str, Handler] | None = None,
        limits: DownloadLimits | None = None,
    ) -> None:
        self.state = state
        self._config = config
        self._given_handlers = handlers
        self._limits = limits
        self._lock = threading.RLock()

    @cached_property
    def downloader(self) -> Downloader:
        """Fetches files."""
        from .download import Downloader
        from .limits import DownloadLimits

        config = self._config
        limits = DownloadLimits(
            timeout_seconds=config.download_timeout_seconds,
            parallel=config.parallel_downloads,
            bytes_per_second=config.download_bytes_per_second,
        )
        return Downloader(
            self._limits or limits,
            config.ca_file,
            cache=config.cache_url,
            proxy=config.download_proxy_url,
        )

    @cached_property
    def verifier(self) -> Verifier:
        """Decides what to trust."""
        from .verification import Verifier

        return Verifier(self._config.root_keys, self.state, self.downloader)

    @cached_property
    def worker(self) -> OperationWorker:
        """Carries out what is trusted."""
        if self._config.installer_socket is not None:
            from .halves.network import RemoteWorker

            return RemoteWorker(self._config.installer_socket, self.state, self.downloader)
        from .worker import Worker

        handlers = self._handlers()
        return Worker(self._config, handlers, self.state, self.downloader, self.verifier)

    def prepare(self) -> None:
        """Make everything; to be called in a thread, for it reads files."""
        with self._lock:
            assert self.worker
            assert self.verifier

    def close(self) -> None:
        """Give up connections, of what was made."""
        downloader = self.__dict__.get("downloader")
        if downloader is not None:
            downloader.close()

    def leave(self) -> None:
        """The agent ends."""
        worker = self.__dict__.get("worker")
        if worker is not None:
            worker.leave()

    def _handlers(self) -> Mapping[str, Handler]:
        if self._given_handlers is not None:
            return self._given_handlers
        return installed_handlers(self._config)


def installed_handlers(config: AgentConfig) -> Mapping[str, Handler]:
    """The handlers that the settings ask for: the simulator, or what is installed."""
    if config.simulator is not None:
        from .handlers.simulator import simulated_handlers

        return simulated_handlers(config.data_folder, config.simulator)
    from .handlers.registry import HandlerRegistry

    return HandlerRegistry(config)
