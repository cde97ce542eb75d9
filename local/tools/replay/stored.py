"""What a running stack has stored of a fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from local.cloud.functions_host.event_hubs import CHECKPOINT_CONTAINER
from local.stack.running import Stack
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_counters import TableCounters
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.domain.fleet.counters import Counts, History, total
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.settings import Connection
from shared.topology import QUEUES


@dataclass(frozen=True, slots=True)
class Contents:
    """Device rows, counters and histories of some buckets; histories by device and workflow."""

    devices: Mapping[str, DeviceRecord]
    counts: Counts
    histories: Mapping[str, Mapping[str, History]]


class Storage:
    """The storage account of a stack; an async context manager."""

    def __init__(self, stack: Stack) -> None:
        connection = Connection(connection_string=stack.storage_connection_string)
        self.accounts = StorageAccounts(connection, connection, lambda: None)
        self._instance = stack.instance
        devices = Table(self.accounts, "Devices")
        self._devices, self._counters = TableDevices(devices), TableCounters(devices)
        self._deployments = TableDeployments(Table(self.accounts, "Deployments"))

    async def __aenter__(self) -> Storage:
        """Nothing is opened before it is used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.accounts.close()

    async def deployments(self) -> Sequence[Deployment]:
        """All deployments."""
        return [item.value for item in await self._deployments.of_instance(self._instance)]

    async def contents(self, buckets: Iterable[int]) -> Contents:
        """What is stored of the devices of some buckets."""
        devices: dict[str, DeviceRecord] = {}
        histories: dict[str, dict[str, History]] = {}
        counts: list[Counts] = []
        for bucket in buckets:
            token: str | None = ""
            while token is not None:
                rows = await self._devices.of_bucket(self._instance, bucket, token=token or None)
                devices |= {row.value.key: row.value for row in rows.items}
                token = rows.token
            token = ""
            while token is not None:
                past = await self._counters.histories(self._instance, bucket, token=token or None)
                for row in past.items:
                    histories.setdefault(row.value.key, {})[row.value.workflow_id] = row.value
                token = past.token
            counters = await self._counters.counter_rows(self._instance, bucket)
            counts.append({place: row.value for place, row in counters.items()})
        return Contents(devices, total(counts), histories)

    async def checkpoints(self) -> dict[int, int]:
        """The last message of each partition of the event hub that the service is through with."""
        container = self.accounts.blobs.get_container_client(CHECKPOINT_CONTAINER)
        return {
            int(blob.name.rpartition("/")[2]): int((blob.metadata or {})["sequencenumber"])
            async for blob in container.list_blobs(include=["metadata"])
        }

    async def messages(self) -> dict[str, int]:
        """Messages in queues, those being worked on and poisoned ones included, where any are."""
        found = {}
        async for queue in self.accounts.queues.list_queues():
            name = str(queue.name)
            if name.removesuffix("-poison") in QUEUES:
                client = self.accounts.queues.get_queue_client(name)
                count = (await client.get_queue_properties()).approximate_message_count
                if count:
                    found[name] = int(count)
        return found
