"""A device of one's own: its identity in the hub, and the folder that an agent runs from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.fleet.registry import register
from local.stack.state import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from local.fleet.device import SimulatedDevice
    from local.stack.running import Stack

CONFIG = "du-config.json"
ROOT = "root"
_FOLDERS_OF_A_ROOT = ("etc/apt", "var/lib/dpkg/info", "var/lib/dpkg/updates")


def add_device(
    stack: Stack,
    device: SimulatedDevice,
    folder: Path,
    *,
    with_root: bool = False,
    is_simulated: bool = False,
) -> Path:
    """Make a device, or take up one that the hub knows; write the configuration of its agent.

    Args:
        stack: The stack, seen from the instance of the device.
        device: Its identity, model and group.
        folder: Where the agent is to keep everything.
        with_root: Whether to make an empty file system for apt and dpkg to install into, instead
            of this machine's own.
        is_simulated: Whether nothing is to be installed at all.

    Returns:
        The configuration; only its owner may read it, for it holds the device's key.
    """
    key = register(stack, [device])[device.device_id]
    folder.mkdir(parents=True, exist_ok=True)
    if with_root:
        make_root(folder / ROOT)
    config = agent_config(stack, device, key, with_root=with_root, is_simulated=is_simulated)
    path = folder / CONFIG
    write_private(path, (json.dumps(config, indent=2) + "\n").encode())
    return path


def agent_config(
    stack: Stack, device: SimulatedDevice, key: str, *, with_root: bool, is_simulated: bool
) -> dict[str, Any]:
    """The content of `du-config.json`; relative paths are relative to its folder."""
    config: dict[str, Any] = {
        "schemaVersion": "1.1",
        "aduShellTrustedUsers": [],
        "iotHubProtocol": "mqtt",
        "manufacturer": device.manufacturer,
        "model": device.model,
        "compatPropertyNames": "manufacturer,model",
        "caFile": stack.ca_file,
        "rootKeysFile": stack.roots_file,
        # devices speak MQTT on a port of its own; the stand-in tunnels to it
        "proxy": f"127.0.0.1:{stack.hub_port}",
        "dataFolder": "data",
        "hooksFolder": "hooks.d",
        "installerDataFolder": "installer",
        "agents": [
            {
                "name": device.device_id,
                "runas": "",
                "connectionSource": {
                    "connectionType": "string",
                    "connectionData": (
                        f"HostName=localhost;DeviceId={device.device_id};SharedAccessKey={key}"
                    ),
                },
                "manufacturer": device.manufacturer,
                "model": device.model,
            }
        ],
    }
    if with_root:
        config["root"] = ROOT
    if is_simulated:
        config["simulator"] = True
    return config


def make_root(folder: Path) -> None:
    """Make an empty file system as apt and dpkg need it; one that is there stays."""
    for name in _FOLDERS_OF_A_ROOT:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "var/lib/dpkg/status").touch()
