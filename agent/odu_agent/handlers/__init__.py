"""Step handlers: what installs the steps of an update.

A handler is registered under the exact text that steps name, `microsoft/script:1` say. Its
methods run in a thread of the deployment, one at a time for each agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.codes import Erc, ResultCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..contract.manifest import ManifestStep, ManifestUpdateId


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a handler says about one action; a code above zero is success."""

    result_code: int
    extended_result_codes: tuple[int, ...] = (Erc.NONE,)
    details: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the deployment may go on."""
        return self.result_code > 0


CANCELLED = StepResult(ResultCode.CANCELLED)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a step; `name` is the manifest's and is checked, `path` is where it is."""

    file_id: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class StepContext:
    """One inline step, as its handler sees it.

    Attributes:
        update_id: Of the update (or child update) that holds the step.
        index: Of the step in that update.
        step: Handler name, properties, installedCriteria.
        files: Of the step; they exist once `fetch_files` has returned.
        work_folder: For the handler's own files; removed with the workflow.
        cancelled: Set when the step should stop; waits should be on it.
        fetch_files: Download and check the step's files.
    """

    update_id: ManifestUpdateId
    index: int
    step: ManifestStep
    files: tuple[LocalFile, ...]
    work_folder: Path
    cancelled: threading.Event
    fetch_files: Callable[[], None]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The step's handlerProperties."""
        return self.step.handler_properties


class Handler(Protocol):
    """Installs one kind of step."""

    def is_installed(self, step: StepContext) -> StepResult:
        """Tell whether the step is there already: 900 if so, 901 if not."""

    def download(self, step: StepContext) -> StepResult:
        """Get what the step needs; usually `step.fetch_files()`."""

    def backup(self, step: StepContext) -> StepResult:
        """Save what `restore` needs."""

    def install(self, step: StepContext) -> StepResult:
        """Put the step's content in place."""

    def apply(self, step: StepContext) -> StepResult:
        """Make it effective."""

    def restore(self, step: StepContext) -> StepResult:
        """Undo a failed install or apply."""

    def cancel(self, step: StepContext) -> StepResult:
        """Clean up after a step that was told to stop."""
