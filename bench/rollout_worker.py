"""A worker of the roll-out benchmark: a process that asks devices, or patches twins and no more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from multiprocessing.util import Finalize
from typing import Any

from shared import messages
from shared.adapters.blobs import AzureBlobs
from shared.adapters.clock import SystemClock
from shared.adapters.hub import IoTHubs
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_passes import TablePasses
from shared.adapters.table_updates import TableUpdates
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.reconcile import by_precedence, desired_command
from shared.ports import DueQuery
from shared.services.commands import Commands
from shared.services.deployments.reconcile import Reconcile
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler
from shared.settings import Connection, InstanceSettings

PATCHED_AT_ONCE = 25
"""As many as the service patches at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where storage and hub are. Holds secrets: never print it."""

    storage: str
    hub: str
    instance: str
    ca_file: str
    root_keys_url: str

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return f"Place({self.instance})"


class Worker:
    """The service's half that asks devices, over real storage and a hub over TLS."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.requests = 0
        connection = Connection(connection_string=place.storage)
        self.accounts = StorageAccounts(connection, connection, lambda: None, self._counted)
        hub = InstanceSettings(place.instance, "", "", place.hub)
        self.hub = IoTHubs({place.instance: hub}, lambda: None)
        self.updates = TableUpdates(Table(self.accounts, "Updates"))
        self.deployments = TableDeployments(Table(self.accounts, "Deployments"))
        self.devices = TableDevices(Table(self.accounts, "Devices"))
        self.passes = TablePasses(Table(self.accounts, "Devices"))

    def _counted(self, _: object) -> None:
        self.requests += 1

    @cached_property
    def commands(self) -> Commands:
        """What words commands."""
        return Commands(self.updates, AzureBlobs(self.accounts, 144.0), self._place.root_keys_url)

    @cached_property
    def reconcile(self) -> Reconcile:
        """What asks devices, as fast as it goes."""
        clock, queues = SystemClock(), _NoQueues()
        return Reconcile(
            devices=self.devices,
            passes=self.passes,
            deployments=self.deployments,
            hub=self.hub,
            commands=self.commands,
            pacer=Pacer(1e9),
            rollups=RollupScheduler(queues, 1.0, clock),
            queues=queues,
            clock=clock,
        )

    async def ask(self, group: str, workflow_id: str, buckets: Sequence[int]) -> None:
        """Have a deployment ask the devices of some buckets, one bucket after the other."""
        for bucket in buckets:
            query = DueQuery(group, workflow_id, unasked=True, asked=False)
            await self.reconcile.rollout_in_bucket(self._place.instance, bucket, query)

    async def patch(self, devices: Sequence[str], body: Mapping[str, Any]) -> None:
        """Patch twins by the SDK alone."""
        from azure.iot.hub import IoTHubRegistryManager
        from azure.iot.hub.models import Twin, TwinProperties

        registry = IoTHubRegistryManager.from_connection_string(self._place.hub)
        for some in batched(devices, PATCHED_AT_ONCE, strict=False):
            twin = Twin(properties=TwinProperties(desired=dict(body)))
            await asyncio.gather(
                *(asyncio.to_thread(registry.update_twin, device, twin) for device in some)
            )

    async def body(self, record: DeviceRecord, group: str) -> Mapping[str, Any]:
        """What the newest deployment of a group would put into the twin of a device."""
        stored = await self.deployments.of_group(self._place.instance, group)
        known = by_precedence(item.value for item in stored)
        command = desired_command(record, known, SystemClock().now()).command
        assert command is not None
        patch, _ = await self.commands.desired(self._place.instance, command, None, {})
        return patch


class _NoQueues:
    """Takes messages for nobody: nothing but the work that is measured goes on."""

    async def put(self, message: messages.Message, *, delay_seconds: float = 0) -> None:
        """See `ports.Queues`."""


_runner: asyncio.Runner | None = None
_worker: Worker | None = None


def begin(place: Place) -> None:
    """Make the worker of this process."""
    global _runner, _worker
    os.environ["REQUESTS_CA_BUNDLE"] = place.ca_file
    _runner, _worker = asyncio.Runner(), Worker(place)
    Finalize(None, _end, exitpriority=1)


def _end() -> None:
    """Close what is open before the process is taken down."""
    assert _runner is not None
    assert _worker is not None
    _runner.run(_worker.accounts.close())
    _runner.close()


def ask(group: str, workflow_id: str, buckets: Sequence[int]) -> int:
    """Ask in this process; how many storage requests it took."""
    return _done(lambda worker: worker.ask(group, workflow_id, buckets))


def patch(devices: Sequence[str], body: Mapping[str, Any]) -> int:
    """Patch in this process."""
    return _done(lambda worker: worker.patch(devices, body))


def _done(work: Callable[[Worker], Awaitable[None]]) -> int:
    assert _runner is not None
    assert _worker is not None
    worker, before = _worker, _worker.requests

    async def run() -> None:
        await work(worker)

    _runner.run(run())
    return worker.requests - before
