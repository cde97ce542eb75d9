"""Restarting the device."""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import AgentConfig

logger = logging.getLogger(__name__)


def restart_device(config: AgentConfig) -> None:
    """Restart the device by the command of the settings.

    Raises:
        OSError: It cannot be run, or fails.
    """
    logger.info("the device restarts, as the update asks for")
    command = list(config.reboot_command)
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError(1, f"{command[0]} ended with {done.returncode}")
