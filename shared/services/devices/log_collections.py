"""Has devices upload their diagnostic logs, and takes in how that went.

Each device gets, in its twin, an address to write to: good for a day, for writing only, made when
it is sent and kept nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from shared import messages
from shared.contract.diagnostics import log_request, parse_log_report
from shared.domain.errors import (
    Conflict,
    DependencyFailed,
    DependencyRefused,
    InvalidInput,
    NotFound,
)
from shared.domain.fleet.device import (
    TwinChange,
    bucket_of,
    device_key,
    view,
)
from shared.domain.fleet.log_collection import (
    LINK_HOURS,
    READ_HOURS,
    DeviceLog,
    LogCollection,
    LogFile,
    check_collection_id,
)
from shared.domain.fleet.queries import LogFileFilter
from shared.domain.fleet.twin_content import LOGS
from shared.domain.operation import OperationStatus
from shared.ports import Blobs, Clock, Devices, Hub, LogCollections, Page, Queues, Stored
from shared.services.pacing import Pacer
from shared.services.paging import page_by_time
from shared.services.retrying import raise_first, retry_on_conflict

type Change = Callable[[LogCollection], LogCollection]

log = logging.getLogger(__name__)

_CHUNK = 25
"""Devices asked before that is written down: what a crash may ask a second time."""
_STALLED_AFTER = timedelta(minutes=2)


@dataclass(slots=True)
class CollectLogs:
    """Log collections of every instance. `containers` are those of their logs, by instance."""

    containers: Mapping[str, str]
    collections: LogCollections
    devices: Devices
    hub: Hub
    blobs: Blobs
    queues: Queues
    pacer: Pacer
    clock: Clock

    async def start(
        self,
        instance: str,
        collection_id: str,
        devices: Sequence[DeviceLog],
        description: str | None,
    ) -> LogCollection:
        """Begin a collection; asking again for the same changes nothing.

        Raises:
            InvalidInput: The id cannot be used, or a device is named twice.
            NotFound: A device is not known.
            Conflict: The id is taken by another collection.
        """
        check_collection_id(collection_id)
        await self._check_devices(instance, devices)
        now = self.clock.now()
        ends = datetime.fromisoformat(now) + timedelta(hours=LINK_HOURS)
        collection = LogCollection(
            collection_id=collection_id,
            created_at=now,
            changed_at=now,
            expires_at=ends.isoformat(timespec="microseconds"),
            devices=tuple(devices),
            description=description,
        )
        if not await self.collections.add(instance, collection):
            known = await self.get(instance, collection_id)
            asked = [item.key for item in known.devices]
            if (asked, known.description) != ([item.key for item in devices], description):
                raise Conflict(
                    f"Log collection '{collection_id}' exists already; use another id.",
                    target="operationId",
                )
            collection = known
        await self._enqueue(instance, collection_id)
        return collection

    async def get(self, instance: str, collection_id: str) -> LogCollection:
        """A collection as it stands now. Raises NotFound."""
        stored = await self.collections.get(instance, collection_id)
        if stored is None:
            raise NotFound(
                f"Log collection '{collection_id}' does not exist.", target="operationId"
            )
        return stored.value.as_of(self.clock.now())

    def location(self, instance: str, collection: LogCollection, device: DeviceLog) -> str:
        """Where a device's logs lie; reading them takes access to the storage account."""
        return self.blobs.address(self.containers[instance], collection.folder(device))

    async def page(
        self, instance: str, *, is_newest_first: bool | None, token: str | None, size: int
    ) -> Page[LogCollection]:
        """One page of the collections as they stand now, by their ids or by their begin."""
        now = self.clock.now()
        if is_newest_first is None:
            page = await self.collections.list(instance, token, size=size)
            return Page([item.as_of(now) for item in page.items], page.token)

        async def read(identity: str) -> LogCollection | None:
            stored = await self.collections.get(instance, identity)
            return stored.value.as_of(now) if stored is not None else None

        return await page_by_time(
            await self.collections.created(instance),
            read,
            is_newest_first=is_newest_first,
            token=token,
            size=size,
        )

    async def files(
        self, instance: str, collection_id: str, wanted: LogFileFilter, token: str | None
    ) -> Page[LogFile]:
        """What devices have uploaded, with links that open; a page is of one device.

        Raises:
            NotFound: There is no such collection.
        """
        found = await self.get(instance, collection_id)
        number, _, position = (token or "0").partition(" ")
        devices = [item for item in found.devices if wanted.has(item.device_id, item.module_id)]
        if int(number) >= len(devices):
            return Page([])
        device, container = devices[int(number)], self.containers[instance]
        folder = f"{found.folder(device)}/"
        page = await self.blobs.list(container, folder, position or None)
        files = [
            LogFile(
                device=device,
                name=item.name.removeprefix(folder),
                modified_at=item.modified_at,
                url=await self.blobs.link(
                    container, item.name, _download_name(item.name), hours=READ_HOURS
                ),
            )
            for item in page.items
        ]
        if page.token is not None:
            return Page(files, f"{number} {page.token}")
        following = int(number) + 1
        return Page(files, f"{following}" if following < len(devices) else None)

    async def run(self, instance: str, collection_id: str) -> None:
        """Ask the devices that have not been asked yet, paced.

        Raises:
            DependencyFailed: The hub throttles or is out of reach.
        """
        stored = await self.collections.get(instance, collection_id)
        if stored is None:
            return
        waiting = stored.value.as_of(self.clock.now()).waiting
        if not waiting:
            return
        link = await self.blobs.upload_link(self.containers[instance], LINK_HOURS)
        for chunk in batched(waiting, _CHUNK, strict=False):
            await self._ask_all(instance, collection_id, chunk, link)

    async def reported(self, instance: str, changes: Sequence[TwinChange]) -> None:
        """Take in what twin changes say of uploads; safe to do twice and in any order."""
        for change in changes:
            report = parse_log_report(change.content.get(LOGS))
            if report is None:
                continue
            key = device_key(change.device_id, change.module_id)
            answer = _reported(key, report.result_code, self.clock.now())
            await self._update(instance, report.operation_id, answer)

    async def sweep(self) -> None:
        """Take up again the collections whose message was lost."""
        oldest = datetime.fromisoformat(self.clock.now()) - _STALLED_AFTER
        for instance in self.containers:
            for item in await self.collections.waiting(instance):
                is_open = item.as_of(self.clock.now()).waiting
                if is_open and datetime.fromisoformat(item.changed_at) < oldest:
                    await self._enqueue(instance, item.collection_id)

    async def _check_devices(self, instance: str, devices: Sequence[DeviceLog]) -> None:
        keys = [item.key for item in devices]
        if len(set(keys)) < len(keys):
            raise InvalidInput("A device stands twice in the list.", target="/deviceList")
        by_bucket: dict[int, list[str]] = {}
        for item in devices:
            by_bucket.setdefault(bucket_of(item.device_id), []).append(item.key)
        found = await asyncio.gather(
            *(self.devices.load(instance, bucket, some) for bucket, some in by_bucket.items())
        )
        known = {
            key
            for rows in found
            for key, row in rows.items()
            if view(row.value).device_class is not None
        }
        missing = [key for key in keys if key not in known]
        if missing:
            place = f"/deviceList/{keys.index(missing[0])}"
            raise NotFound(f"Device '{missing[0]}' does not exist.", target=place)

    async def _ask_all(
        self, instance: str, collection_id: str, devices: Sequence[DeviceLog], link: str
    ) -> None:
        results = await asyncio.gather(
            *(self._ask(instance, collection_id, item, link) for item in devices),
            return_exceptions=True,
        )
        outcomes = {
            item.key: result
            for item, result in zip(devices, results, strict=True)
            if isinstance(result, OperationStatus)
        }
        await self._update(
            instance, collection_id, lambda item: item.asked(outcomes, self.clock.now())
        )
        raise_first(results)

    async def _ask(
        self, instance: str, collection_id: str, device: DeviceLog, link: str
    ) -> OperationStatus:
        await self.pacer.turn(instance)
        desired = log_request(collection_id, link)
        try:
            await self.hub.patch_desired(instance, device.device_id, device.module_id, desired)
        except NotFound:
            return OperationStatus.FAILED
        except DependencyRefused as error:
            log.warning("the request for logs of %s is refused: %s", device.key, error.message)
            return OperationStatus.FAILED
        except DependencyFailed as error:
            self.pacer.push_back(instance, error.retry_after)
            raise
        return OperationStatus.RUNNING

    async def _update(self, instance: str, collection_id: str, change: Change) -> None:
        async def cycle() -> None:
            stored: Stored[LogCollection] | None = await self.collections.get(
                instance, collection_id
            )
            if stored is None:
                return
            changed = change(stored.value)
            if changed != stored.value:
                await self.collections.save(instance, changed, stored.etag)

        await retry_on_conflict(cycle)

    async def _enqueue(self, instance: str, collection_id: str) -> None:
        await self.queues.put(messages.CollectLogs(instance=instance, collection=collection_id))


def _reported(key: str, code: int, now: str) -> Change:
    return lambda item: item.reported(key, code, now)


def _download_name(blob: str) -> str:
    """What a browser calls the file: devices choose the names, so only plain characters stay."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", blob.rpartition("/")[2])
