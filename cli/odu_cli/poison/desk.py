"""Lists what failed for good, sets it going again, and discards it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odu_cli.poison.explained import (
    PoisonItem,
    body_of,
    of_event,
    of_message,
    subject_of,
)
from shared.domain.dead_letter import dead_events
from shared.domain.errors import InvalidInput
from shared.topology import QUEUES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from odu_cli.poison.storage import DeadMessage, OperationNote, PoisonStorage

BLOBS = "blobs"
"""What the poison queue of the blob triggers is called here."""
EVENTS = "events"
"""What the container of dead-lettered events is called here."""
PLACES: tuple[str, ...] = (*QUEUES, BLOBS, EVENTS)
_BLOB_QUEUE = "webjobs-blobtrigger-poison"
_TRIGGERING = ("imports", "quarantine")


@dataclass(frozen=True, slots=True)
class Replayed:
    """How much of a place was set going again, and how much was over and dropped."""

    place: str
    replayed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """How much of a place was discarded."""

    place: str
    discarded: int


@dataclass(frozen=True, slots=True)
class PoisonDesk:
    """What an operator does about it. `place` is one of `PLACES`, None all of them."""

    storage: PoisonStorage

    async def list(self, place: str | None = None) -> AsyncIterator[PoisonItem]:
        """What failed for good.

        The storage shows the first 32 messages of a queue; `count` says how many there are.
        """
        for each in _places(place):
            if each == EVENTS:
                async for name in self.storage.letters():
                    for event in dead_events(await self.storage.read_letter(name) or b"[]", name):
                        yield of_event(each, name, event)
            else:
                for message in await self.storage.peek(_poison_queue(each)):
                    yield await self._explain(each, message)

    async def count(self, place: str | None) -> int:
        """How many messages, and blobs of events, there are."""
        total = 0
        for each in _places(place):
            if each == EVENTS:
                total += sum([1 async for _ in self.storage.letters()])
            else:
                total += await self.storage.count(_poison_queue(each))
        return total

    async def replay(self, place: str | None = None) -> AsyncIterator[Replayed]:
        """Set everything going again that is there now."""
        for each in _places(place):
            replayed = dropped = 0
            if each == EVENTS:
                async for name in self.storage.letters():
                    await self.storage.order_replay(name)
                    replayed += 1
            else:
                async for message in self._taken(each):
                    if await self._again(each, message):
                        replayed += 1
                    else:
                        dropped += 1
                    await self.storage.delete(message)
            if replayed or dropped:
                yield Replayed(each, replayed, dropped)

    async def discard(
        self, place: str | None = None, identity: str | None = None
    ) -> AsyncIterator[Discarded]:
        """Delete what is there now, or only what has an id."""
        for each in _places(place):
            discarded = 0
            if each == EVENTS:
                async for name in self.storage.letters():
                    if identity in (None, name):
                        await self.storage.delete_letter(name)
                        discarded += 1
            else:
                others = []
                async for message in self._taken(each):
                    if identity in (None, message.identity):
                        await self.storage.delete(message)
                        discarded += 1
                    else:
                        others.append(message)
                for message in others:
                    await self.storage.release(message)
            if discarded:
                yield Discarded(each, discarded)

    async def _taken(self, place: str) -> AsyncIterator[DeadMessage]:
        """Take every message of a queue that is there now."""
        queue = _poison_queue(place)
        for _ in range(await self.storage.count(queue)):
            message = await self.storage.take(queue)
            if message is None:
                return
            yield message

    async def _again(self, place: str, message: DeadMessage) -> bool:
        if (await self._explain(place, message)).is_over:
            return False
        if place == BLOBS:
            body = body_of(message)
            container, name = str(body.get("ContainerName")), str(body.get("BlobName"))
            if container not in _TRIGGERING:
                raise InvalidInput(f"Nothing is triggered by blobs in '{container}'.")
            return await self.storage.write_again(container, name)
        await self.storage.put_back(place, message)
        return True

    async def _explain(self, place: str, message: DeadMessage) -> PoisonItem:
        subject = subject_of(place, message, is_blob=place == BLOBS)
        return of_message(place, message, subject, await self._operation(subject[1]))

    async def _operation(self, about: Mapping[str, Any]) -> OperationNote | None:
        instance, identity = about.get("instance"), about.get("operation")
        if not isinstance(instance, str) or not isinstance(identity, str):
            return None
        return await self.storage.operation(instance, identity)


def _places(place: str | None) -> tuple[str, ...]:
    if place is None:
        return PLACES
    name = BLOBS if place == _BLOB_QUEUE else place.removesuffix("-poison")
    if name not in PLACES:
        raise InvalidInput(f"'{place}' is none of {', '.join(PLACES)}.", target="queue")
    return (name,)


def _poison_queue(place: str) -> str:
    return _BLOB_QUEUE if place == BLOBS else f"{place}-poison"
