"""The blocking half of an agent: what runs in its working thread."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .components import load_enumerator
from .delta.sources import load_source_cache
from .deployment import Deployment, DeploymentTools
from .hooks import Hooks
from .verification import (
    VerificationError,
    check_age,
    check_compatibility,
    check_not_older,
    version_key,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .config import AgentConfig
    from .contract.manifest import UpdateManifest
    from .fetching import Fetcher
    from .handlers import Handler
    from .operation import Operation
    from .result import DeploymentResult
    from .state import DeviceState
    from .verification import Verifier
    from .workflow import Command

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """Carries out operations with the means of one device."""

    config: AgentConfig
    handlers: Mapping[str, Handler]
    state: DeviceState
    downloader: Fetcher
    verifier: Verifier

    def carry_out(
        self,
        operation: Operation,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> DeploymentResult:
        """Run a deployment to its end.

        `on_phase` is told of each phase that begins, or why it has to wait.
        """
        workflow_id = operation.command.workflow_id

        def enter(phase: str) -> None:
            self._await_consent(operation, phase, cancelled, on_phase)
            on_phase(phase, None)

        self._purge_others(workflow_id)
        tools = DeploymentTools(
            handlers=self.handlers,
            downloader=self.downloader,
            folder=self._folder(workflow_id),
            cancelled=cancelled,
            check=lambda manifest: self._check(operation.command, manifest),
            on_phase=enter,
            enumerator=lambda: load_enumerator(self.config),
            sources=load_source_cache(self.config),
        )
        return Deployment(operation.command, operation.manifest, tools).run()

    def _await_consent(
        self,
        operation: Operation,
        phase: str,
        cancelled: threading.Event,
        on_phase: Callable[[str, str | None], None],
    ) -> None:
        if self.config.hooks_folder is not None:
            Hooks(self.config.hooks_folder).await_consent(
                phase,
                operation.manifest.update_id,
                operation.command.workflow_id,
                cancelled,
                on_wait=lambda reason: on_phase(phase, reason),
            )

    def conclude(self, operation: Operation, *, is_installed: bool) -> None:
        """Clean up after a workflow that ended for good."""
        conclude(self.state, operation, is_installed=is_installed)

    def leave(self) -> None:
        """All is done in this process: cancelling ends it."""

    def _check(self, command: Command, manifest: UpdateManifest) -> None:
        """The signature is checked again: its key may have been disabled meanwhile."""
        self.verifier.verify(command)
        if self.config.maximum_update_age_seconds is not None:
            check_age(manifest.created_date_time, self.config.maximum_update_age_seconds)
        check_compatibility(manifest.compatibility, self.config.device_properties)
        if not self.config.allow_downgrade:
            update_id = manifest.update_id
            highest = self.state.highest_version(update_id.provider, update_id.name)
            check_not_older(update_id.version, highest)

    def _folder(self, workflow_id: str) -> Path:
        return workflow_folder(self.state, workflow_id)

    def _purge_others(self, workflow_id: str) -> None:
        own = self._folder(workflow_id)
        own.mkdir(parents=True, exist_ok=True)
        for folder in self.state.downloads.iterdir():
            if folder != own:
                shutil.rmtree(folder, ignore_errors=True)


def conclude(state: DeviceState, operation: Operation, *, is_installed: bool) -> None:
    """Remove a workflow's files and remember what was installed."""
    shutil.rmtree(workflow_folder(state, operation.command.workflow_id), ignore_errors=True)
    update_id = operation.manifest.update_id
    highest = state.highest_version(update_id.provider, update_id.name)
    if is_installed and _is_higher(update_id.version, highest):
        state.save_highest_version(update_id.provider, update_id.name, update_id.version)


def workflow_folder(state: DeviceState, workflow_id: str) -> Path:
    """Where a workflow keeps its files."""
    name = hashlib.sha256(workflow_id.encode(errors="surrogatepass")).hexdigest()[:32]
    return state.downloads / name


def _is_higher(version: str, highest: str | None) -> bool:
    try:
        return highest is None or version_key(version) > version_key(highest)
    except VerificationError:
        logger.warning("version %.40s is no dotted number and cannot be compared", version)
        return False
