"""Keeps in an update by which others it is referred to, so that no read has to search for them.

A child is told before its parent is published, so a name may stand there whose update never came to
be or is gone: `parents_of` looks whether each one is real.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import NotFound
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Updates
from shared.services.retrying import retry_on_conflict


async def referred(updates: Updates, instance: str, child: UpdateId, parent: UpdateId) -> Update:
    """Note in a child that a parent is about to refer to it; the child.

    Raises:
        NotFound: It was deleted, is being deleted, or was recalled.
    """

    async def cycle() -> Update:
        stored = await updates.get(instance, child)
        if stored is None or stored.value.is_being_deleted:
            raise NotFound(f"The referenced update '{child}' was deleted meanwhile.")
        if stored.value.recall is not None:
            raise NotFound(f"The referenced update '{child}' was recalled.")
        if parent in stored.value.referenced_by:
            return stored.value
        named = replace(stored.value, referenced_by=(*stored.value.referenced_by, parent))
        await updates.save(instance, named, stored.etag)
        return named

    return await retry_on_conflict(cycle)


async def released(updates: Updates, instance: str, child: UpdateId, parent: UpdateId) -> None:
    """Take back that a parent refers to a child."""

    async def cycle() -> None:
        stored = await updates.get(instance, child)
        if stored is None or parent not in stored.value.referenced_by:
            return
        others = tuple(name for name in stored.value.referenced_by if name != parent)
        await updates.save(instance, replace(stored.value, referenced_by=others), stored.etag)

    await retry_on_conflict(cycle)


async def parents_of(updates: Updates, instance: str, child: Update) -> list[UpdateId]:
    """The updates that do refer to a child."""
    found = []
    for name in child.referenced_by:
        stored = await updates.get(instance, name)
        if stored is not None and child.update_id in stored.value.references:
            found.append(name)
    return found
