"""What failed for good: messages in poison queues and events that were given up.

Each is explained in the words of the service, and can be set going again once its cause is gone.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared import messages
from shared.domain.dead_letter import DeadEvent, blob_of
from shared.domain.errors import InvalidInput
from shared.domain.instant import instant
from shared.domain.operation import Operation
from shared.ports import Blobs, DeadMessage, Operations, PoisonQueues, Queues
from shared.services.maintenance.dead_letters import DeadLetters
from shared.services.maintenance.failure_notes import FOLDER, FailureNotes
from shared.services.paging import every
from shared.topology import QUEUES, Queue

BLOBS = "blobs"
"""What the poison queue of the blob triggers is called here."""
EVENTS = "events"
"""What the container of dead-lettered events is called here."""
PLACES: tuple[str, ...] = (*QUEUES, BLOBS, EVENTS)
_BLOB_QUEUE = "webjobs-blobtrigger-poison"
_WORDS = re.compile(r"[A-Za-z ,.]{1,100}")
_ABOUT = (
    "instance",
    "operation",
    "update",
    "group",
    "deployment",
    "collection",
    "bucket",
    "devices",
    "unexplained",
    "blob",
)


UNKNOWN = "Unknown"
"""The cause of what left no error behind."""


@dataclass(frozen=True, slots=True)
class PoisonItem:
    """One thing that failed for good.

    `place` is one of `PLACES`, `what` the work, `about` the ids it was about, `reason` the last
    error where one is known. `is_over` says that its operation has ended: a replay does nothing.
    `identity` names it within its place, `cause` is a word for why: the code of the error, or what
    Event Grid says.
    """

    place: str
    what: str
    about: Mapping[str, Any]
    at: str
    reason: str | None
    is_over: bool = False
    identity: str = ""
    cause: str = UNKNOWN

    @property
    def instance(self) -> str | None:
        """The instance that it is about; None if it is about none or about several."""
        found = self.about.get("instance")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How much of a place was set going again, and how much was over and dropped."""

    place: str
    replayed: int
    dropped: int


type Wanted = Callable[[PoisonItem], bool]
"""Which items something is to be done about."""


def _every(item: PoisonItem) -> bool:
    return True


@dataclass(slots=True)
class Poison:
    """Lists and replays."""

    poison: PoisonQueues
    queues: Queues
    blobs: Blobs
    operations: Operations
    dead_letters: DeadLetters
    notes: FailureNotes

    async def list(self, place: str | None = None) -> AsyncIterator[PoisonItem]:
        """What failed for good, of one place or of all.

        The storage shows the first 32 messages of a queue; `count` says how many there are.
        """
        for each in _places(place):
            if each == EVENTS:
                async for name in self._letters():
                    for event in await self.dead_letters.read(name):
                        yield _of_event(name, event)
            else:
                for message in await self.poison.peek(poison_queue_of(each)):
                    yield await self._of_message(each, message)

    async def count(self, place: str) -> int:
        """How many messages, or blobs of events, there are in a place."""
        if place == EVENTS:
            return sum([1 async for _ in self._letters()])
        return await self.poison.count(poison_queue_of(place))

    async def replay(
        self,
        place: str | None = None,
        wanted: Wanted = _every,
        *,
        only_drops: bool = False,
        most: int | None = None,
    ) -> AsyncIterator[Replayed]:
        """Set going again what is wanted of all that is there now, in one place or in all.

        With `only_drops` it is dropped instead. A blob of events is replayed if any of them is
        wanted, and dropped if all are. `most` bounds how many are handled.
        """
        left = sys.maxsize if most is None else most
        for each in _places(place):
            if each == EVENTS:
                done = await self._events_again(wanted, only_drops, left)
            else:
                done = await self._messages_again(each, wanted, only_drops, left)
            if done.replayed or done.dropped:
                yield done
            left -= done.replayed + done.dropped
            if left <= 0:
                return

    async def _events_again(self, wanted: Wanted, only_drops: bool, most: int) -> Replayed:
        replayed = dropped = 0
        async for name in self._letters():
            if replayed + dropped == most:
                break
            found = [_of_event(name, event) for event in await self.dead_letters.read(name)]
            if only_drops and all(map(wanted, found)):
                await self.dead_letters.remove(name)
                dropped += 1
            elif not only_drops and any(map(wanted, found)):
                await self.queues.put(messages.ReplayEvents(blob=name))
                replayed += 1
        return Replayed(EVENTS, replayed, dropped)

    async def _messages_again(
        self, place: str, wanted: Wanted, only_drops: bool, most: int
    ) -> Replayed:
        queue = poison_queue_of(place)
        replayed = dropped = 0
        passed: list[DeadMessage] = []
        for _ in range(await self.poison.count(queue)):
            if replayed + dropped == most:
                break
            message = await self.poison.take(queue)
            if message is None:
                break
            item = await self._of_message(place, message)
            if not wanted(item):
                passed.append(message)
                continue
            if not only_drops and await self._again(item, message):
                replayed += 1
            else:
                dropped += 1
            await self.poison.delete(message)
            await self.notes.remove(place, message.text)
        for message in passed:
            await self.poison.release(message)
        return Replayed(place, replayed, dropped)

    async def _again(self, item: PoisonItem, message: DeadMessage) -> bool:
        body, place = _body(message), item.place
        if item.is_over:
            return False
        if place == BLOBS:
            container, name = str(body.get("ContainerName")), str(body.get("BlobName"))
            return await self.dead_letters.raise_again(container, name)
        await self.poison.put_back(_queue(place), message)
        return True

    async def _letters(self) -> AsyncIterator[str]:
        async for item in every(lambda token: self.blobs.list("deadletter", "", token)):
            if not item.name.startswith(FOLDER):
                yield item.name

    async def _of_message(self, place: str, message: DeadMessage) -> PoisonItem:
        body = _body(message)
        if place == BLOBS:
            what, about = _of_blob(str(body.get("ContainerName")), str(body.get("BlobName")))
        else:
            what = messages.MESSAGES[_queue(place)].work
            about = {key: body[key] for key in _ABOUT if key in body}
        if not body:
            what += " (the message is not one of ours)"
        operation = await self._operation(about)
        note = await self.notes.read(place, message.text)
        if operation is None:
            return PoisonItem(
                place=place,
                what=what,
                about=about,
                at=message.inserted_at,
                reason=f"{note.code}: {note.message}" if note else None,
                identity=message.identity,
                cause=note.code if note else UNKNOWN,
            )
        failure = operation.failure or operation.last_error or note
        return PoisonItem(
            place=place,
            what=what,
            about={**about, "status": operation.status.value, "stage": operation.stage.value},
            at=message.inserted_at,
            reason=f"{failure.code}: {failure.message}" if failure else None,
            is_over=operation.is_finished,
            identity=message.identity,
            cause=failure.code if failure else UNKNOWN,
        )

    async def _operation(self, about: Mapping[str, Any]) -> Operation | None:
        instance, identity = about.get("instance"), about.get("operation")
        if not isinstance(instance, str) or not isinstance(identity, str):
            return None
        stored = await self.operations.get(instance, identity)
        return stored.value if stored else None


def _places(place: str | None) -> tuple[str, ...]:
    if place is None:
        return PLACES
    name = BLOBS if place == _BLOB_QUEUE else place.removesuffix("-poison")
    if name not in PLACES:
        raise InvalidInput(f"'{place}' is none of {', '.join(PLACES)}.", target="queue")
    return (name,)


def _queue(place: str) -> Queue:
    return next(name for name in QUEUES if name == place)


def poison_queue_of(place: str) -> str:
    """The poison queue of a place."""
    return _BLOB_QUEUE if place == BLOBS else f"{place}-poison"


def _body(message: DeadMessage) -> Mapping[str, Any]:
    try:
        body = json.loads(message.text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _of_blob(container: str, name: str) -> tuple[str, dict[str, Any]]:
    if container == "quarantine" and name.count("/") == 2:
        instance, operation, _ = name.split("/")
        return "scan the files of an import", {"instance": instance, "operation": operation}
    return "start the import of a dropped manifest", {"blob": f"{container}/{name}"}


def _of_event(blob_name: str, event: DeadEvent) -> PoisonItem:
    about = {
        key: event.data[key]
        for key in ("instance", "bucket", "hubName", "deviceId", "moduleId")
        if event.data.get(key) is not None
    }
    what = f"deliver the event {event.kind}"
    blob = blob_of(event.subject)
    if blob is not None:
        what, about = _of_blob(*blob)
    # anything but plain words may hold the address of the webhook, with its key
    outcome = event.outcome if _WORDS.fullmatch(event.outcome) else "…"
    reason = f"{event.reason} after {event.attempts} attempts: {outcome}"
    return PoisonItem(
        place=EVENTS,
        what=what,
        about=about,
        at=_instant(event.at),
        reason=reason,
        identity=hashlib.sha256(blob_name.encode()).hexdigest()[:32],
        cause=event.reason if _WORDS.fullmatch(event.reason) else UNKNOWN,
    )


def _instant(text: str) -> str:
    """When an event was, as far as it says so; its publisher may leave out the offset."""
    try:
        return instant(text)
    except InvalidInput:
        return ""
