"""What the reference device is given before its first start: its identity and its settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.fleet.device import SimulatedDevice
from local.fleet.new_device import agent_config
from local.fleet.registry import register
from local.lab.machine import HOST
from local.lab.updates import HARDWARE, MANUFACTURER, MODEL

if TYPE_CHECKING:
    from local.lab.updates import Signer
    from local.stack.running import Stack

DEVICE, GROUP = "toaster-01", "lab"
HEALTH_SECONDS = 1200
"""A new image has that long for everything; QEMU without KVM is slow on a busy machine."""


def make_data(stack: Stack, signer: Signer, proxy_port: int, folder: Path) -> None:
    """Make what the data partition holds at first; the device is known to the hub then."""
    identity = SimulatedDevice(DEVICE, MANUFACTURER, MODEL, GROUP)
    key = register(stack, [identity])[DEVICE]
    settings = folder / "adu"
    for name in ("adu", "agent", "installer"):
        (folder / name).mkdir(parents=True)
    config = agent_config(stack, identity, key, with_root=False, is_simulated=False)
    config |= _settings(stack, proxy_port)
    config["agents"][0]["runas"] = "odu-agent"
    (settings / "du-config.json").write_text(json.dumps(config, indent=2))
    shutil.copyfile(stack.roots_file, settings / "root-keys.json")
    shutil.copyfile(stack.ca_file, settings / "ca.pem")
    shutil.copyfile(signer.certificate, settings / "swupdate.pem")


def _settings(stack: Stack, proxy_port: int) -> dict[str, Any]:
    """What differs from an agent that runs beside the stack."""
    return {
        # The hub's certificate is for "localhost", and the tunnel ends there.
        "proxy": f"{HOST}:{stack.hub_port}",
        "downloadProxy": f"http://{HOST}:{proxy_port}",
        "caFile": "/etc/adu/ca.pem",
        "rootKeysFile": "/etc/adu/root-keys.json",
        "hooksFolder": "/etc/adu/hooks.d",
        "dataFolder": "/var/lib/odu-agent",
        "installerSocket": "/run/odu-agent/installer.sock",
        "installerDataFolder": "/var/lib/odu-agent-installer",
        "reportPhases": True,
        "handlers": {
            "images": {
                "slots": [
                    {"name": "A", "device": "/dev/disk/by-partlabel/root-A"},
                    {"name": "B", "device": "/dev/disk/by-partlabel/root-B"},
                ],
                "bootControl": {"type": "grub", "environment": "/boot/grub/grubenv"},
                "signature": {"method": "cms", "file": "/etc/adu/swupdate.pem"},
                "hardware": HARDWARE,
                "healthCheck": {
                    "commands": [["/usr/sbin/toaster-health"]],
                    "timeoutSeconds": HEALTH_SECONDS,
                    "requiresHub": True,
                },
            },
            "opendu/zstd-delta:1": {"cacheMegabytes": 0},
        },
    }
