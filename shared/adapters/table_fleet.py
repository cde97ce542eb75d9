"""Groups, device classes, presence of groups in buckets, and roll-ups in Table Storage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import msgspec

from shared.adapters.table import (
    Row,
    Table,
    document,
    etag_of,
    key,
    pack,
    pack_compressed,
    unpack,
    unpack_compressed,
)
from shared.domain.errors import ConcurrentUpdate, InvalidInput
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.fleet.kept import Kept
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, KnownClass, KnownGroup, LastRollup, Page, Rollup

_REMEMBERED = 100_000
_DELETED = "deletedAt"
_INDEXED = "indexed"
_OF_LAST = (
    *("asOf", "buckets", "stillSince", "wakeAt"),
    *("judgedBy", "quiet", "devices", "kept"),
)


@dataclass(slots=True)
class _StoredRollup:
    as_of: str
    counts: list[tuple[str, str, dict[str, int]]]
    where: dict[str, list[int] | None] | None = None


@dataclass(slots=True)
class TableFleet:
    """Implements `ports.Fleet`.

    What is known never becomes unknown, so a process remembers what it has written. What is deleted
    is only marked (`deletedAt`; a subgroup by a row in the partition of its group): the counters
    decide when it comes back.
    """

    buckets_table: Table
    groups_table: Table
    classes_table: Table
    rollups_table: Table
    clock: Clock
    _noted: set[tuple[str, ...]] = field(default_factory=set, init=False)
    _indexed: set[str] = field(default_factory=set, init=False)
    _met: set[str] = field(default_factory=set, init=False)

    async def ensure_known(
        self, instance: str, group: str, bucket: int, device_class: DeviceClass
    ) -> bool:
        """See the port."""
        place = (instance, group, f"{bucket:02x}", device_class.class_id)
        if place in self._noted:
            return False
        if instance not in self._met:
            if not await self.groups(instance, with_deleted=True):
                await self.set_indexed(instance)  # a new instance has no older rows
            self._met.add(instance)
        now = self.clock.now()
        _, _, is_new_class = await asyncio.gather(
            self.buckets_table.insert(key(instance, group), f"{bucket:02x}", {}),
            self.groups_table.insert(key(instance), key(group), {"group": group, "createdAt": now}),
            self.classes_table.insert(
                key(instance), device_class.class_id, {"createdAt": now, **pack(device_class)}
            ),
        )
        if len(self._noted) >= _REMEMBERED:
            self._noted.clear()
        self._noted.add(place)
        return is_new_class

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        """See the port."""
        rows = await self.buckets_table.all(
            "PartitionKey eq @partition", {"partition": key(instance, group)}, select=["RowKey"]
        )
        return [int(row["RowKey"], 16) for row in rows]

    async def is_indexed(self, instance: str) -> bool:
        """See the port."""
        if instance not in self._indexed:
            row = await self.buckets_table.get(key(instance), _INDEXED)
            if row is not None:
                self._indexed.add(instance)
        return instance in self._indexed

    async def set_indexed(self, instance: str) -> None:
        """See the port."""
        await self.buckets_table.insert(key(instance), _INDEXED, {})

    async def groups(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownGroup]:
        """See the port."""
        rows = await self.groups_table.all(
            "PartitionKey eq @partition", {"partition": key(instance)}
        )
        return [
            KnownGroup(row["group"], row["createdAt"])
            for row in rows
            if with_deleted or not row.get(_DELETED)
        ]

    async def classes(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownClass]:
        """See the port."""
        rows = await self.classes_table.all(
            "PartitionKey eq @partition", {"partition": key(instance)}
        )
        return [_known_class(row) for row in rows if with_deleted or not row.get(_DELETED)]

    async def class_page(
        self, instance: str, friendly_name: str | None, *, token: str | None, size: int
    ) -> Page[KnownClass]:
        """See the port."""
        condition = "PartitionKey eq @partition"
        condition += "" if friendly_name is None else " and friendlyName eq @name"
        page = await self.classes_table.page(
            condition,
            {"partition": key(instance), "name": friendly_name or ""},
            token=token,
            size=size,
        )
        return Page([_known_class(row) for row in page.items if not row.get(_DELETED)], page.token)

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None:
        """See the port."""
        await self._change_class(instance, class_id, {"friendlyName": friendly_name})

    async def delete_class(self, instance: str, class_id: str) -> None:
        """See the port."""
        await self._change_class(instance, class_id, {_DELETED: self.clock.now()})

    async def delete_group(self, instance: str, group: str) -> None:
        """See the port."""
        await self.groups_table.upsert(
            key(instance), key(group), {_DELETED: self.clock.now()}, merge=True
        )
        await self.drop_rollup(instance, group)

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        """See the port."""
        await self.groups_table.upsert(key(instance, group), class_id, {})

    async def revive(self, instance: str, group: str, present: Set[str]) -> Set[str] | None:
        """See the port."""
        row, subgroups, classes = await asyncio.gather(
            self.groups_table.get(key(instance), key(group)),
            self.groups_table.all(
                "PartitionKey eq @partition", {"partition": key(instance, group)}, select=["RowKey"]
            ),
            self.classes_table.all(
                f"PartitionKey eq @partition and {_DELETED} gt ''",
                {"partition": key(instance)},
                select=["RowKey"],
            ),
        )
        if row is not None and row.get(_DELETED):
            if not present:
                return None
            fresh = {"group": group, "createdAt": self.clock.now()}
            await self.groups_table.upsert(key(instance), key(group), fresh)
        for class_id in present & {each["RowKey"] for each in classes}:
            fresh = {"createdAt": self.clock.now(), "friendlyName": "", _DELETED: ""}
            await self._change_class(instance, class_id, fresh)
        deleted = {each["RowKey"] for each in subgroups}
        for class_id in present & deleted:
            await self.groups_table.delete(key(instance, group), class_id)
        return deleted - present

    async def _change_class(
        self, instance: str, class_id: str, properties: Mapping[str, str]
    ) -> None:
        await self.classes_table.upsert(key(instance), class_id, properties, merge=True)

    async def set_best_update(self, instance: str, class_id: str, best: UpdateId | None) -> None:
        """See the port."""
        await self._change_class(instance, class_id, {"bestUpdate": str(best) if best else ""})

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        """See the port."""
        counts = [
            (group_id, class_id, dict(cells))
            for (group_id, class_id), cells in rollup.counts.items()
        ]
        where = {
            cell: None if each is None else list(each)
            for cell, each in (rollup.where or {}).items()
        }
        properties = {
            "group": group,
            "asOf": rollup.as_of,
            "buckets": rollup.buckets,
            "devices": rollup.devices,
            "kept": _text(rollup.kept),
            "keptBefore": _text(rollup.kept_before),
            "stillSince": rollup.still_since or rollup.as_of,
            "wakeAt": rollup.wake_at,
            "judgedBy": rollup.judged_by,
            "quiet": rollup.is_quiet,
            **pack_compressed(
                _StoredRollup(rollup.as_of, counts, None if rollup.where is None else where)
            ),
        }
        known = await self.rollups_table.get(key(instance), key(group))
        if known is None:
            if not await self.rollups_table.insert(key(instance), key(group), properties):
                raise ConcurrentUpdate("Another roll-up was the first.")
        elif unpack_compressed(known, _StoredRollup).as_of < rollup.as_of:
            await self.rollups_table.replace(key(instance), key(group), properties, etag_of(known))

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        """See the port."""
        if group is not None:
            row = await self.rollups_table.get(key(instance), key(group))
            rows = [row] if row else []
        else:
            rows = await self.rollups_table.all(
                "PartitionKey eq @partition", {"partition": key(instance)}
            )
        found = {}
        for row in rows:
            kept = unpack_compressed(row, _StoredRollup)
            counts = {(group_id, class_id): cells for group_id, class_id, cells in kept.counts}
            found[str(row["group"])] = Rollup(
                counts,
                kept.as_of,
                buckets=int(row.get("buckets") or 0),
                still_since=row.get("stillSince") or kept.as_of,
                wake_at=row.get("wakeAt") or "",
                judged_by=row.get("judgedBy") or "",
                is_quiet=bool(row.get("quiet")),
                where=kept.where,
                kept=_kept(row.get("kept")),
                kept_before=_kept(row.get("keptBefore")),
            )
        return found

    async def last_rollup(self, instance: str, group: str) -> LastRollup | None:
        """See the port."""
        rows = await self.rollups_table.all(
            "PartitionKey eq @partition and RowKey eq @row",
            {"partition": key(instance), "row": key(group)},
            select=[*_OF_LAST],
        )
        found = next((row for row in rows if row.get("asOf")), None)
        if found is None:
            return None
        return LastRollup(
            found["asOf"],
            int(found["buckets"]),
            still_since=found.get("stillSince") or found["asOf"],
            wake_at=found.get("wakeAt") or "",
            judged_by=found.get("judgedBy") or "",
            is_quiet=bool(found.get("quiet")),
            devices=found.get("devices"),
            kept=_kept(found.get("kept")),
        )

    async def drop_rollup(self, instance: str, group: str) -> None:
        """See the port."""
        await self.rollups_table.delete(key(instance), key(group))


def _text(kept: Kept | None) -> str:
    return "" if kept is None else document(kept)


def _kept(text: str | None) -> Kept | None:
    return msgspec.json.decode(text, type=Kept) if text else None


def _known_class(row: Row) -> KnownClass:
    return KnownClass(
        device_class=unpack(row, DeviceClass),
        created_at=row["createdAt"],
        friendly_name=row.get("friendlyName") or None,
        best_update=_update_id(row.get("bestUpdate", "")),
        is_best_known="bestUpdate" in row,
    )


def _update_id(text: str) -> UpdateId | None:
    try:
        return UpdateId(*text.split("/")) if text else None
    except (InvalidInput, TypeError):
        return None
