"""The blocking half of an agent: what runs in its working thread."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .components import load_enumerator
from .deployment import Deployment, DeploymentResult, DeploymentTools
from .hooks import Hooks
from .verification import VerificationError, check_compatibility, check_not_older, version_key

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .config import AgentConfig
    from .contract.codes import Erc
    from .contract.manifest import UpdateManifest
    from .download import Downloader
    from .handlers import Handler
    from .state import DeviceState
    from .verification import Verifier
    from .workflow import Command

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operation:
    """A verified deployment; `package_code` tells what became of the root key package."""

    command: Command
    manifest: UpdateManifest
    package_code: Erc


@dataclass(frozen=True)
class Worker:
    """Carries out operations with the means of one device."""

    config: AgentConfig
    handlers: Mapping[str, Handler]
    state: DeviceState
    downloader: Downloader
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
        shutil.rmtree(self._folder(operation.command.workflow_id), ignore_errors=True)
        update_id = operation.manifest.update_id
        highest = self.state.highest_version(update_id.provider, update_id.name)
        if is_installed and _is_higher(update_id.version, highest):
            self.state.save_highest_version(update_id.provider, update_id.name, update_id.version)

    def _check(self, command: Command, manifest: UpdateManifest) -> None:
        """The signature is checked again: its key may have been disabled meanwhile."""
        self.verifier.verify(command)
        check_compatibility(manifest.compatibility, self.config.device_properties)
        if not self.config.allow_downgrade:
            update_id = manifest.update_id
            highest = self.state.highest_version(update_id.provider, update_id.name)
            check_not_older(update_id.version, highest)

    def _folder(self, workflow_id: str) -> Path:
        name = hashlib.sha256(workflow_id.encode(errors="surrogatepass")).hexdigest()[:32]
        return self.state.downloads / name

    def _purge_others(self, workflow_id: str) -> None:
        own = self._folder(workflow_id)
        own.mkdir(parents=True, exist_ok=True)
        for folder in self.state.downloads.iterdir():
            if folder != own:
                shutil.rmtree(folder, ignore_errors=True)


def _is_higher(version: str, highest: str | None) -> bool:
    try:
        return highest is None or version_key(version) > version_key(highest)
    except VerificationError:
        logger.warning("version %.40s is no dotted number and cannot be compared", version)
        return False
