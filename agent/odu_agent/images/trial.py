"""Judge a new image after its first start: commit it, or go back to the old one.

Its health is what the configuration says: commands that must succeed, and the hub that must have
been reached, all within a time limit. The agent asks when it has reached the hub; `odu-agent trial`
asks by itself from the start of the system on, so that an image whose agent or network is broken
is left as well.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.codes import Erc
from ..handlers.settings import Settings
from ..processes import Program, run, search_path
from .switch import Failure, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .switch import SlotSwitch

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0
_NEVER = 77
"""As hooks say it."""


class HopelessError(Exception):
    """A command says that the image will not get healthy; the message says why."""


@dataclass(frozen=True)
class Health:
    """When an image is healthy.

    Attributes:
        commands: Each must end with 0; they are tried again until they do or the time is up. One
            that ends with 77 says that it never will.
        seconds: The time limit, for all of it.
        needs_hub: Whether the hub must have been reached.
    """

    commands: Sequence[Sequence[str]] = ()
    seconds: float = 300
    needs_hub: bool = True

    def fault(self, is_hub_reached: Callable[[], bool]) -> str | None:
        """Wait for health; None once it is there, else what is wrong when the time is up."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                fault = self._fault(deadline)
            except HopelessError as error:
                return str(error)
            if fault is None and self.needs_hub and not is_hub_reached():
                fault = "the hub was not reached"
            if fault is None:
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                return f"{fault}, within {self.seconds:g} s"
            time.sleep(min(_AGAIN_SECONDS, left))

    def _fault(self, deadline: float) -> str | None:
        environment = {"PATH": search_path(), "LC_ALL": "C.UTF-8"}
        for command in self.commands:
            seconds = max(deadline - time.monotonic(), 0.1)
            try:
                completed = run(Program(command, environment, Path("/"), seconds))
            except OSError as error:
                return f"{command[0]} cannot be run: {error.strerror}"
            if not completed.is_success:
                said = f"{' '.join(command)[:100]}: {completed.last_line or completed.exit_code}"
                if completed.exit_code == _NEVER:
                    raise HopelessError(said)
                return said
        return None


def load_health(settings: Settings, place: str) -> Health:
    """Read `commands`, `timeoutSeconds` and `requiresHub`.

    Args:
        settings: The object that has them.
        place: What it is called, for errors.

    Raises:
        SettingError: One is wrong.
    """
    items = settings.items("commands")
    return Health(
        commands=tuple(
            Settings({"[]": item}, f"{place}.commands").words("[]", ()) for item in items
        ),
        seconds=settings.number("timeoutSeconds", 300),
        needs_hub=settings.flag("requiresHub", default=True),
    )


def judge(switch: SlotSwitch, health: Health) -> Standing:
    """Judge the running image, if it is on trial; after `CONDEMNED` the device must be restarted.

    Raises:
        ImageError: The boot loader cannot be asked or told.
    """
    standing = switch.look()
    if standing is not Standing.TRIAL:
        return standing
    fault = health.fault(switch.is_hub_reached)
    if fault is None:
        logger.info("the new image is healthy and stays")
        switch.commit()
    else:
        logger.warning("the new image is unhealthy, the old one comes back: %s", fault)
        switch.condemn(Failure(Erc.IMAGE_UNHEALTHY, fault))
    return switch.look()
