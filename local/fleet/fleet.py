"""Registers simulated devices in the hub and runs their agents, many in one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from local.fleet.device import SimulatedDevice
from local.fleet.registry import register
from local.stack.running import REPOSITORY, Stack

if TYPE_CHECKING:
    from odu_agent.agent import Agent

    from local.fleet.c_agent import CAgent
    from local.fleet.c_device import CDevice

DATA_FILE = "du-simulator-data.json"
_BULK = 100
"""Devices that one registry call may create."""


class Fleet:
    """Simulated devices against a running stack; an async context manager.

    Args:
        stack: The stack that the devices connect to.
        devices: The devices; those that the hub knows already keep their identity.
        folder: Where each device keeps its state.
    """

    def __init__(self, stack: Stack, devices: Sequence[SimulatedDevice], folder: Path) -> None:
        self.devices = tuple(devices)
        self._stack = stack
        self._folder = folder
        self._agents: dict[str, Agent | CDevice] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keys: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Register and connect every device."""
        self._keys = await asyncio.to_thread(self._register)
        for device in self.devices:
            self.connect(device, self._keys[device.device_id])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect every device."""
        await asyncio.gather(*(agent.stop() for agent in self._agents.values()))
        results = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if error is None:
            for result in results:
                if isinstance(result, Exception):
                    raise result

    def simulate(self, device_id: str, data: Mapping[str, Any]) -> None:
        """Have a device's simulator say something else from now on."""
        folder = self._folder / device_id
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / "du-simulator-data.tmp"
        fresh.write_text(json.dumps(data))
        fresh.replace(folder / DATA_FILE)

    def connect(self, device: SimulatedDevice, key: str) -> None:
        """Start the agent of one device."""
        self.simulate(device.device_id, device.simulator)
        self._start(device, key)

    def _start(self, device: SimulatedDevice, key: str) -> None:
        agent = self._agent(device, key)
        self._agents[device.device_id] = agent
        self._tasks[device.device_id] = asyncio.create_task(agent.run(), name=device.device_id)

    async def restart(self, device_id: str) -> None:
        """End the agent of one device and start another, as at a reboot."""
        await self._agents[device_id].stop()
        await self._tasks[device_id]
        device = next(one for one in self.devices if one.device_id == device_id)
        self._start(device, self._keys[device_id])

    def c_agent(self, device_id: str) -> CAgent:
        """The model that a device of the kind `c` runs."""
        from local.fleet.c_device import CDevice

        device = self._agents[device_id]
        assert isinstance(device, CDevice)
        return device.agent

    def _agent(self, device: SimulatedDevice, key: str) -> Agent | CDevice:
        _make_agent_importable()
        from odu_agent.agent import Agent
        from odu_agent.config import AgentConfig, load_root_keys

        logs = self._folder / device.device_id / "log"
        logs.mkdir(parents=True, exist_ok=True)
        (logs / "agent.log").write_text(f"{device.device_id}: {device.model} has started\n")
        config = AgentConfig(
            connection_string=(
                f"HostName=localhost;DeviceId={device.device_id};SharedAccessKey={key}"
            ),
            manufacturer=device.manufacturer,
            model=device.model,
            root_keys=load_root_keys(Path(self._stack.roots_file)),
            data_folder=self._folder / device.device_id,
            ca_file=Path(self._stack.ca_file),
            # the device SDK knows one port only; the hub stand-in tunnels to itself
            proxy=("127.0.0.1", self._stack.hub_port),
            simulator={},
            log_components={"agent": logs},
        )
        if device.agent == "c":
            from local.fleet.c_device import CDevice

            return CDevice(config)
        return Agent(config)

    def _register(self) -> dict[str, str]:
        return {
            device_id: key
            for start in range(0, len(self.devices), _BULK)
            for device_id, key in register(self._stack, self.devices[start : start + _BULK]).items()
        }


def _make_agent_importable() -> None:
    """The agent is a package of its own, which a stack need not have installed."""
    folder = str(REPOSITORY / "agent")
    if folder not in sys.path:
        sys.path.append(folder)


with contextlib.suppress(ImportError):
    import resource

    # three descriptors a device: a fleet of a few hundred needs more than the usual limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
