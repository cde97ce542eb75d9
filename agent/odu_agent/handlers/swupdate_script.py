"""`microsoft/swupdate:2`: a script of the update that is handed a .swu file.

As `microsoft/script:1`, with `--swu-file <path>` and the options of the device's configuration
before the step's own arguments; the script runs SWUpdate, or whatever the device has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.codes import Erc, ResultCode
from ..contract.manifest import ManifestError
from . import LocalFile, StepResult
from .script import ScriptCodes, ScriptHandler, named_file
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from . import HandlerEnvironment, StepContext


def create(environment: HandlerEnvironment) -> SwupdateScriptHandler:
    """Make the handler.

    Settings: `timeoutMinutes` (60) of one action; `options`, an object of options that every
    script gets: `{"--public-key-file": "/etc/adu/swupdate.pem"}`.
    """
    settings = Settings(environment.settings)
    options = [word for pair in settings.texts("options").items() for word in pair]
    seconds = 60 * settings.number("timeoutMinutes", 60)
    return SwupdateScriptHandler(environment.root, seconds=seconds, options=options)


class SwupdateScriptHandler(ScriptHandler):
    """Runs the script of a step for each action, on its .swu file."""

    codes = ScriptCodes(
        no_script_name=Erc.SWUPDATE_NO_FILE_NAME,
        no_result_file=Erc.SWUPDATE_NO_RESULT_FILE,
        failure_without_code=Erc.SWUPDATE_FAILURE_WITHOUT_CODE,
        exit_base=0x30101000,
    )

    def __init__(self, root: Path, *, seconds: float = 3600, options: Sequence[str] = ()) -> None:
        super().__init__(root, seconds=seconds)
        self._options = list(options)

    def backup(self, step: StepContext) -> StepResult:
        """Nothing to do: the old image stays until the new one is committed."""
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def restore(self, step: StepContext) -> StepResult:
        """Let the script undo what it did, which is its `cancel`."""
        if self.cancel(step).is_success:
            return StepResult(ResultCode.RESTORE_SUCCESS)
        return StepResult(ResultCode.FAILURE, (Erc.RESTORE_FAILED,))

    def script(self, step: StepContext) -> LocalFile:
        """The file that is the script, of two or more."""
        if len(step.files) < 2:
            message = "a swupdate step needs a script and a .swu file"
            raise ManifestError(Erc.SWUPDATE_WRONG_FILE_COUNT, message)
        self._image(step)
        return super().script(step)

    def options(self, step: StepContext) -> list[str]:
        """The .swu file, and what the device's configuration adds."""
        return ["--swu-file", str(step.work_folder / self._image(step).name), *self._options]

    def _image(self, step: StepContext) -> LocalFile:
        name = step.properties.get("swuFileName")
        if not isinstance(name, str) or not name:
            raise ManifestError(Erc.SWUPDATE_NO_SWU_NAME, "the step names no swuFileName")
        return named_file(step, name)
