"""Step handlers: what installs the steps of an update. This is the interface of plug-ins.

A handler is registered under the exact text that steps name, `microsoft/script:1` say, as an entry
point of the group `odu_agent.handlers`:

    [project.entry-points."odu_agent.handlers"]
    "contoso/firmware:1" = "contoso_firmware:FirmwareHandler"

The entry point is called with a `HandlerEnvironment` and returns a `Handler`. That happens when a
deployment names it for the first time, so a module may import what it likes. Its methods run in the
installing half of the agent, with that half's rights, one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.codes import Erc, ResultCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from ..contract.manifest import ManifestStep, ManifestUpdateId


@dataclass(frozen=True)
class StepResult:
    """What a handler says about one action; a code above zero is success.

    `details` is one line that a person understands: what failed, and at what.
    """

    result_code: int
    extended_result_codes: tuple[int, ...] = (Erc.NONE,)
    details: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the deployment may go on."""
        return self.result_code > 0


CANCELLED = StepResult(ResultCode.CANCELLED)


class Restart(Enum):
    """What a step asks for by its result code, before the update can be concluded."""

    AGENT = "agent"
    DEVICE = "device"


@dataclass(frozen=True)
class LocalFile:
    """A file of a step; `name` is the manifest's and is checked, `path` is where it is."""

    file_id: str
    name: str
    path: Path


@dataclass(frozen=True)
class Component:
    """A part of the device that is updated on its own, as an enumerator knows it."""

    id: str
    name: str = ""
    group: str = ""
    manufacturer: str = ""
    model: str = ""
    version: str = ""
    properties: Mapping[str, str] | None = None


class FetchFiles(Protocol):
    """Downloads files of a step and checks their hashes; they then exist at their paths."""

    def __call__(self, *file_ids: str) -> None:
        """Fetch the named files, or all of the step where none is named.

        Files that are there already with the right hash are not fetched again. Any error may be
        left to the caller of the handler, which reports it with the right code.
        """


@dataclass(frozen=True)
class StepContext:
    """One inline step, as its handler sees it.

    Attributes:
        update_id: Of the update (or child update) that holds the step.
        index: Of the step in that update.
        step: Handler name, properties, installedCriteria.
        files: Of the step; a file exists once `fetch_files` has returned.
        work_folder: For the handler's own files. It outlives restarts, crashes and retries of the
            workflow, and is removed with the workflow: whatever an action needs to go on after a
            power cut belongs here.
        cancelled: Set when the step should stop; waits should be on it.
        fetch_files: Download and check the step's files.
        component: The part of the device that the step is for; None is the device itself.
    """

    update_id: ManifestUpdateId
    index: int
    step: ManifestStep
    files: tuple[LocalFile, ...]
    work_folder: Path
    cancelled: threading.Event
    fetch_files: FetchFiles
    component: Component | None = None

    @property
    def properties(self) -> Mapping[str, Any]:
        """The step's handlerProperties."""
        return self.step.handler_properties


@dataclass(frozen=True)
class HandlerEnvironment:
    """What a handler is made with.

    Attributes:
        name: Under which it was asked for.
        folder: For what it must remember beyond a workflow; of this handler alone, private.
        settings: The member of `handlers` in du-config.json with the handler's name.
        device_properties: That updates are matched with (manufacturer, model and others).
        root: What is to be updated; `/` but for tests and images.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    device_properties: Mapping[str, str]
    root: Path


class Handler(Protocol):
    """Installs one kind of step.

    Any action may be asked for again after it has succeeded: the device may lose power at any
    moment, and the agent then begins with `is_installed`. `download`, `install` and `apply` must
    then end in the same state as if they had run once; `backup` keeps what it has saved already.
    An exception counts as a failure of the action; an `OSError` is reported by its number.
    """

    def is_installed(self, step: StepContext) -> StepResult:
        """Tell whether the step is there already: 900 if so, 901 if not. Installs nothing.

        A code that asks for a restart now (705, 707) asks for it before that can be told.
        """

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
