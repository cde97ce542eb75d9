"""`microsoft/script:1`: a script of the update does the work.

    <script> <action> <arguments> --work-folder <folder> --result-file <file>
             [--installed-criteria <text>]

The action is one word (`--action-install`, apiVersion 1.0 or none) or two (`--action install`,
apiVersion 1.1). The script finds the step's files under their own names in the work folder, which
is also where it runs. It answers in the result file, `{"resultCode": 600, "extendedResultCode": 0,
"resultDetails": "..."}`; an exit code that is not 0 is a failure whatever the file says.

Scripts run with the rights of the agent's installing half, and end with all that they have started:
what must live on is a service. ODU_ROOT in their environment is the root to update.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..contract.codes import Erc, ResultCode
from ..contract.manifest import ManifestError
from ..contract.strictjson import loads_object
from ..processes import Completed, Ending, Program, run, search_path
from . import CANCELLED, LocalFile, StepResult
from .settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from . import Component, HandlerEnvironment, StepContext

logger = logging.getLogger(__name__)

_MOST_RESULT_BYTES = 64 * 1024
_MOST_DETAILS = 400
_UNKNOWN = "n/a"
_COMPONENT_WORDS = {
    f"--component-{name}-val": name
    for name in ("id", "name", "manufacturer", "model", "version", "group")
}
_COMPONENT_PROPERTY = "--component-prop-val"


@dataclass(frozen=True)
class ScriptCodes:
    """The codes of one kind of script handler; an exit code is added to `exit_base`."""

    no_script_name: Erc = Erc.SCRIPT_NO_FILE_NAME
    no_result_file: Erc = Erc.SCRIPT_NO_RESULT_FILE
    failure_without_code: Erc = Erc.SCRIPT_FAILURE_WITHOUT_CODE
    exit_base: int = 0x30501000


def create(environment: HandlerEnvironment) -> ScriptHandler:
    """Make the handler. Setting: `timeoutMinutes` (60), the most that one action may take."""
    settings = Settings(environment.settings)
    return ScriptHandler(environment.root, seconds=60 * settings.number("timeoutMinutes", 60))


class ScriptHandler:
    """Runs the script of a step for each action."""

    codes = ScriptCodes()

    def __init__(self, root: Path, *, seconds: float = 3600) -> None:
        self._root = root
        self._seconds = seconds

    def is_installed(self, step: StepContext) -> StepResult:
        """As the script says; of the files only the script is fetched."""
        step.fetch_files(self.script(step).file_id)
        return self.act(step, "is-installed")

    def download(self, step: StepContext) -> StepResult:
        """Fetch all files; then the script may fetch more."""
        self.script(step)
        step.fetch_files()
        return self.act(step, "download")

    def backup(self, step: StepContext) -> StepResult:
        """Scripts have no such action."""
        return StepResult(ResultCode.BACKUP_UNSUPPORTED)

    def install(self, step: StepContext) -> StepResult:
        """As the script says."""
        return self.act(step, "install")

    def apply(self, step: StepContext) -> StepResult:
        """As the script says."""
        return self.act(step, "apply")

    def restore(self, step: StepContext) -> StepResult:
        """Scripts have no such action."""
        return StepResult(ResultCode.RESTORE_UNSUPPORTED)

    def cancel(self, step: StepContext) -> StepResult:
        """Let the script clean up; it cannot be cancelled in that."""
        return self.act(step, "cancel", may_be_cancelled=False)

    def script(self, step: StepContext) -> LocalFile:
        """The file that is the script.

        Raises:
            ManifestError: It is not named, or not among the files.
        """
        if not step.files:
            raise ManifestError(Erc.SCRIPT_NO_FILES, "a script step needs files")
        name = _text(step, "scriptFileName")
        if not name:
            raise ManifestError(self.codes.no_script_name, "the step names no scriptFileName")
        return named_file(step, name)

    def options(self, step: StepContext) -> list[str]:
        """Further options before the step's own arguments."""
        del step
        return []

    def act(self, step: StepContext, action: str, *, may_be_cancelled: bool = True) -> StepResult:
        """Run one action of the script and read its result."""
        script = step.work_folder / self.script(step).name
        result_file = step.work_folder / f"action_{action}_aduc_result.json"
        _lay_out(step, result_file.name)
        result_file.unlink(missing_ok=True)
        script.chmod(0o700)
        program = Program(
            arguments=[str(script), *self._words(step, action, result_file)],
            environment={
                "PATH": search_path(),
                "LC_ALL": "C.UTF-8",
                "ODU_ROOT": str(self._root),
            },
            folder=step.work_folder,
            seconds=self._seconds,
            on_line=lambda line: logger.info("%s: %.500s", script.name, line),
        )
        completed = _run(program, step if may_be_cancelled else None)
        return self._result(completed, action, result_file)

    def _words(self, step: StepContext, action: str, result_file: Path) -> list[str]:
        words = [*_action_words(step, action), *self.options(step)]
        words += component_words(_text(step, "arguments").split(), step.component)
        words += ["--work-folder", str(step.work_folder), "--result-file", str(result_file)]
        criteria = step.step.installed_criteria
        return [*words, "--installed-criteria", criteria] if criteria else words

    def _result(self, completed: Completed, action: str, result_file: Path) -> StepResult:
        if completed.ending is Ending.CANCELLED:
            return CANCELLED
        if completed.ending is Ending.TIMED_OUT:
            return _failure(Erc.SCRIPT_TIMED_OUT, f"{action} took over {self._seconds:g} s")
        if completed.exit_code:
            words = f"{action} ended with exit code {completed.exit_code}"
            said = _said(result_file) or completed.last_line
            code = self.codes.exit_base + completed.exit_code
            return _failure(code, f"{words}: {said}" if said else words)
        try:
            result_code, erc, details = _read_result(result_file)
        except FileNotFoundError:
            return _failure(self.codes.no_result_file, "the script wrote no result file")
        except ValueError as error:
            return _failure(Erc.SCRIPT_RESULT_MALFORMED, f"the result file: {error}")
        if result_code <= 0 and erc == 0 and result_code != ResultCode.CANCELLED:
            erc = self.codes.failure_without_code
        return StepResult(result_code, (erc,), details or None)


def component_words(words: list[str], component: Component | None) -> list[str]:
    """Put a component's data in the place of the words that stand for them."""
    replaced = []
    rest = iter(words)
    for word in rest:
        if word == _COMPONENT_PROPERTY:
            properties = (component.properties if component else None) or {}
            replaced.append(properties.get(next(rest, ""), _UNKNOWN))
        elif word in _COMPONENT_WORDS:
            value = getattr(component, _COMPONENT_WORDS[word]) if component else ""
            replaced.append(value or _UNKNOWN)
        else:
            replaced.append(word)
    return replaced


def named_file(step: StepContext, name: str) -> LocalFile:
    """The step's file of that name.

    Raises:
        ManifestError: There is none.
    """
    found = next((file for file in step.files if file.name == name), None)
    if found is None:
        raise ManifestError(Erc.SCRIPT_NOT_IN_FILES, f"{name!r:.80} is not among the step's files")
    return found


def _text(step: StepContext, name: str) -> str:
    value = step.properties.get(name)
    return value if isinstance(value, str) else ""


def _action_words(step: StepContext, action: str) -> list[str]:
    version = step.properties.get("apiVersion") or "1.0"
    if version == "1.0":
        return [f"--action-{action}"]
    if version == "1.1":
        return ["--action", action]
    raise ManifestError(Erc.SCRIPT_API_VERSION, f"apiVersion {version!r:.20} is not 1.0 or 1.1")


def _lay_out(step: StepContext, *reserved: str) -> None:
    """Put the step's files that are there under their names into its work folder."""
    names = [file.name for file in step.files]
    clash = next((name for name in names if names.count(name) > 1 or name in reserved), None)
    if clash is not None:
        raise ManifestError(Erc.DOWNLOAD_INVALID_FILE, f"two files are called {clash!r:.80}")
    for file in step.files:
        if not file.path.exists():
            continue
        target = step.work_folder / file.name
        if target.exists() and target.samefile(file.path):
            continue
        target.unlink(missing_ok=True)
        try:
            os.link(file.path, target)
        except OSError:
            # The work folder may be on another file system, or on one without links.
            shutil.copyfile(file.path, target)


def _run(program: Program, step: StepContext | None) -> Completed:
    cancelled = None if step is None else step.cancelled
    try:
        return run(program, cancelled)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # No `#!` line: to a shell that is a shell script.
    return run(replace(program, arguments=["/bin/sh", *program.arguments]), cancelled)


def _read_result(path: Path) -> tuple[int, int, str]:
    with path.open("rb") as file:
        data = file.read(_MOST_RESULT_BYTES + 1)
    if len(data) > _MOST_RESULT_BYTES:
        raise ValueError(f"longer than {_MOST_RESULT_BYTES} bytes")
    members = loads_object(data)
    details = members.get("resultDetails")
    return (
        _number(members, "resultCode"),
        _number(members, "extendedResultCode", 0) & 0xFFFFFFFF,
        details[:_MOST_DETAILS] if isinstance(details, str) else "",
    )


def _said(path: Path) -> str:
    """The details in a result file, if there are any to read."""
    try:
        return _read_result(path)[2]
    except (FileNotFoundError, ValueError):
        return ""


def _number(members: dict[str, Any], name: str, default: int | None = None) -> int:
    value = members.get(name, default)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{name} is {json.dumps(value)[:40]}, not a number")


def _failure(code: int, details: str) -> StepResult:
    return StepResult(ResultCode.FAILURE, (code,), details[:_MOST_DETAILS])
