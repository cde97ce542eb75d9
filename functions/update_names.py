"""Gives every update that an answer refers to its friendly name and description, and marks
deployments of updates that are gone.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from functions.call import Call
from shared.domain.errors import DeviceUpdateError
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.http import models

_AT_ONCE = 16

log = logging.getLogger(__name__)


async def name_updates(call: Call, body: Any) -> None:
    """Complete the references to updates in an answer; those to updates that are gone stay bare."""
    found: list[Any] = list(_structs(body))
    references = [each for each in found if isinstance(each, models.UpdateInfo)]
    if not references:
        return
    known = await _read(call, {_id_of(each) for each in references})
    if known is None:
        return
    for each in references:
        update = known.get(_id_of(each))
        if update is not None:
            each.friendly_name, each.description = update.friendly_name, update.description
    for each in found:
        if hasattr(each, "is_update_deleted"):  # it deploys one
            each.is_update_deleted = _id_of(each.update) not in known or None


def _id_of(reference: models.UpdateInfo) -> UpdateId:
    named = reference.update_id
    return UpdateId(named.provider, named.name, named.version)


def _structs(body: Any) -> Iterator[msgspec.Struct]:
    if isinstance(body, msgspec.Struct):
        yield body
        for name in body.__struct_fields__:
            yield from _structs(getattr(body, name))
    elif isinstance(body, list | tuple):
        for each in body:
            yield from _structs(each)


async def _read(call: Call, wanted: set[UpdateId]) -> Mapping[UpdateId, Update] | None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(update_id: UpdateId) -> Update | None:
        async with slots:
            stored = await call.app.ports.updates.get(call.instance, update_id)
            return stored.value if stored else None

    try:
        found = await asyncio.gather(*map(read, wanted))
    except DeviceUpdateError as error:
        # What was asked for is done by now, and its answer right without the names.
        log.warning("the names of updates could not be read: %s", error.message)
        return None
    return {update.update_id: update for update in found if update is not None}
