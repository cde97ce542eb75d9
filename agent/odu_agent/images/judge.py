"""`odu-agent trial`: judge a new image from the start of the system on, apart from the agent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..contract.manifest import ManifestError
from ..handlers.registry import handler_folder
from ..handlers.settings import SettingError
from ..reboot import restart_device
from .device import SETTINGS_NAME, image_folder, load_image_device
from .rauc import SETTINGS_NAME as RAUC_SETTINGS
from .rauc import load_rauc_device
from .switch import Standing
from .trial import judge

if TYPE_CHECKING:
    from ..config import AgentConfig

logger = logging.getLogger(__name__)


def run_trial(config: AgentConfig) -> int:
    """Judge the running image if it is on trial; an unhealthy one is left by a restart.

    Returns:
        The exit status: 0 for a device that is where it should be, 1 if that cannot be told.
    """
    try:
        standing = _judge(config)
        if standing is None:
            logger.info("no slots are configured")
            return 0
        logger.info("the device is %s", standing.value)
        if standing is Standing.CONDEMNED:
            restart_device(config)
    except (SettingError, ManifestError, OSError) as error:
        logger.error("the image cannot be judged: %s", error)  # noqa: TRY400 - for people
        return 1
    return 0


def _judge(config: AgentConfig) -> Standing | None:
    """Judge whichever kind of slots the device has; None without any."""
    halves = config.installer_socket is not None
    handlers = (config.installer_folder if halves else config.data_folder) / "handlers"
    values = config.handler_settings.get(SETTINGS_NAME)
    if values is not None:
        device = load_image_device(values, image_folder(handlers), config.root)
        return judge(device.switch, device.health)
    values = config.handler_settings.get(RAUC_SETTINGS)
    if values is None:
        return None
    folder = handler_folder(handlers, RAUC_SETTINGS)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return load_rauc_device(values, folder, config.root).judge()
