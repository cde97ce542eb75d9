"""Ask the device, by programs in `/etc/adu/hooks.d/`, whether an update may go on now.

Before each phase (`download`, `install`, `apply`) every executable file there is run, in the order
of names. It is told by its environment: ODU_PHASE, ODU_UPDATE_PROVIDER, ODU_UPDATE_NAME,
ODU_UPDATE_VERSION, ODU_WORKFLOW_ID. Its exit code is its answer:

    0    go on
    75   not now, ask again later (EX_TEMPFAIL): no maintenance window, on battery, no consent
    77   never: the update is refused (EX_NOPERM)

Any other code, or none in time, fails the update. The last line of its output is the reason, and
is what the service is told while the device waits. It may name when to ask again: `retry-after 600`
as a line of its own, in seconds.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .contract.manifest import ManifestError
from .processes import Completed, Ending, Program, run, search_path

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from .contract.manifest import ManifestUpdateId

logger = logging.getLogger(__name__)

GO_ON, NOT_NOW, NEVER = 0, 75, 77
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RETRY_AFTER = re.compile(r"^retry-after ([0-9]{1,6})\s*$\n?", re.MULTILINE)
_MOST_WAIT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Hooks:
    """The hooks of a device.

    Attributes:
        folder: Holds them; one that does not exist holds none.
        seconds: Most that one may take.
        wait_seconds: Until they are asked again, where they do not say.
    """

    folder: Path
    seconds: float = 60
    wait_seconds: float = 60

    def await_consent(
        self,
        phase: str,
        update_id: ManifestUpdateId,
        workflow_id: str,
        cancelled: threading.Event,
        on_wait: Callable[[str], None],
    ) -> None:
        """Return once every hook lets the phase begin, or the update is cancelled.

        Args:
            phase: `download`, `install` or `apply`.
            update_id: What is to be installed.
            workflow_id: Of the deployment.
            cancelled: Ends the wait.
            on_wait: Told why it waits, whenever that changes.

        Raises:
            ManifestError: A hook refuses the update, or fails.
        """
        environment = {
            "PATH": search_path(),
            "LC_ALL": "C.UTF-8",
            "ODU_PHASE": phase,
            "ODU_UPDATE_PROVIDER": update_id.provider,
            "ODU_UPDATE_NAME": update_id.name,
            "ODU_UPDATE_VERSION": update_id.version,
            "ODU_WORKFLOW_ID": workflow_id,
        }
        told = ""
        while not cancelled.is_set():
            answer = self._ask(environment, cancelled)
            if answer is None or cancelled.is_set():
                return
            reason, seconds = answer
            if reason != told:
                logger.info("waiting before %s: %s", phase, reason)
                on_wait(reason)
                told = reason
            cancelled.wait(seconds)

    def _ask(
        self, environment: dict[str, str], cancelled: threading.Event
    ) -> tuple[str, float] | None:
        """None to go on, else why not, and when to ask again."""
        for hook in self._hooks():
            program = Program([str(hook)], environment, self.folder, self.seconds, grace_seconds=2)
            try:
                completed = run(program, cancelled)
            except OSError as error:
                raise _failed(hook, f"cannot be run: {error.strerror}") from None
            if completed.ending is Ending.CANCELLED:
                return "cancelled", 0
            if completed.ending is Ending.TIMED_OUT:
                raise _failed(hook, f"gave no answer within {self.seconds:g} s")
            if completed.exit_code == NEVER:
                raise ManifestError(Erc.HOOK_REFUSED, f"{hook.name}: {_reason(completed)}")
            if completed.exit_code == NOT_NOW:
                return f"{hook.name}: {_reason(completed)}", self._wait_of(completed)
            if completed.exit_code != GO_ON:
                said = f" ({completed.last_line})" if completed.last_line else ""
                raise _failed(hook, f"ended with exit code {completed.exit_code}{said}")
        return None

    def _hooks(self) -> list[Path]:
        """As run-parts chooses them; what others may write to is none of them."""
        try:
            files = sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
        except FileNotFoundError:
            return []
        return [path for path in files if self._is_hook(path)]

    def _is_hook(self, path: Path) -> bool:
        mode = path.stat()
        if not stat.S_ISREG(mode.st_mode) or not os.access(path, os.X_OK):
            return False
        if mode.st_mode & stat.S_IWOTH:
            raise _failed(path, "may be changed by everybody")
        return True

    def _wait_of(self, completed: Completed) -> float:
        found = _RETRY_AFTER.search(completed.output)
        seconds = float(found.group(1)) if found else self.wait_seconds
        return min(max(seconds, 1), _MOST_WAIT_SECONDS)


def _reason(completed: Completed) -> str:
    lines = [line.strip() for line in _RETRY_AFTER.sub("", completed.output).splitlines()]
    return next((line[:200] for line in reversed(lines) if line), "no reason given")


def _failed(hook: Path, reason: str) -> ManifestError:
    return ManifestError(Erc.HOOK_FAILED, f"hook {hook.name}: {reason}")
