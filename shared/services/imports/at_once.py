"""Carries an import of a few small files through all its stages within one message.

The stages are the same as ever; what each one needs is at hand from the one before, so nothing is
waited for, queued or read back in between. Its files are in quarantine and its row says where it
stands all the same: whoever gets the message after a crash goes on from there. What turns out to be
large, or has to wait, goes on by the triggers of the stages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from shared import messages
from shared.domain.errors import DeviceUpdateError
from shared.domain.operation import OperationStatus, Stage
from shared.ports import Blobs, Operations
from shared.services.announce import Announcements, Announcer
from shared.services.imports.at_hand import BlobsAtHand, OperationAtHand
from shared.services.imports.attempt import ImportAttempt
from shared.services.imports.fetch import ImportFetch
from shared.services.imports.publish import ImportPublish
from shared.services.imports.scan import ImportScan
from shared.topology import quarantine_prefix


@dataclass(slots=True)
class ImportAtOnce:
    """Works on an import that a message on the queue `import` is about.

    Imports whose files have more than `most_bytes` in all, and those on which an engine tells its
    verdict in its own time, are only fetched.
    """

    fetch: ImportFetch
    scan: ImportScan
    publish: ImportPublish
    announcements: Announcements
    most_bytes: int

    async def run(self, instance: str, identity: str) -> None:
        """Bring an import as far as it comes; running again goes on where it stopped.

        Raises:
            DependencyFailed: Something failed in a way that may pass.
        """
        if all(engine.reads_files for engine in self.scan.scanning.engines):
            await self._run(instance, identity)
        else:
            await self.fetch.run(instance, identity)

    async def _run(self, instance: str, identity: str) -> None:
        operation = OperationAtHand(self.fetch.operations)
        stored = await operation.get(instance, identity)
        if stored is None:
            return
        blobs = BlobsAtHand(
            self.fetch.blobs,
            quarantine_prefix(instance, identity),
            most_bytes=self.most_bytes,
            is_first=stored.value.status is OperationStatus.NOT_STARTED,
        )
        carried = self._over(operation, blobs)
        if stored.value.stage is not Stage.PUBLISH:
            await carried.fetch.imports.work(instance, identity, Stage.FETCH, carried.bring)
        if carried.is_clean or stored.value.stage is Stage.PUBLISH:
            await carried.publish.run(instance, identity)

    def _over(self, operation: OperationAtHand, at_hand: BlobsAtHand) -> _Carried:
        """The stages over what is at hand."""
        # both hand on what they do not know
        operations, blobs = cast("Operations", operation), cast("Blobs", at_hand)
        evidence = replace(self.fetch.evidence, blobs=blobs)
        announcer = _Prompt(
            queues=self.fetch.imports.announcer.queues,
            announcements=replace(self.announcements, operations=operations),
        )
        stores: dict[str, Any] = {"operations": operations, "blobs": blobs}
        imports = replace(self.fetch.imports, announcer=announcer, **stores)
        stores |= {"imports": imports, "evidence": evidence}
        return _Carried(
            fetch=replace(self.fetch, **stores),
            scan=replace(self.scan, **stores),
            publish=replace(self.publish, **stores),
            operation=operation,
            most_bytes=self.most_bytes,
        )


@dataclass(slots=True)
class _Carried:
    """The stages of one import over what it has at hand."""

    fetch: ImportFetch
    scan: ImportScan
    publish: ImportPublish
    operation: OperationAtHand
    most_bytes: int
    is_clean: bool = False
    """Everything was scanned, and what comes next is to publish it."""

    async def bring(self, attempt: ImportAttempt) -> None:
        """Fetch, and scan what is small; the rest is scanned when its trigger comes."""
        entries = await self.fetch.bring(attempt)
        if entries is None:
            return
        if sum(entry.size_bytes for entry in entries) > self.most_bytes:
            await self.operation.settle(attempt.instance)
            await self.fetch.ask_for_scan(attempt, entries)
            return
        with self.scan.imports.span(Stage.SCAN, attempt.instance, attempt.operation):
            self.is_clean = await self.scan.judge(attempt, entries)


@dataclass(slots=True)
class _Prompt(Announcer):
    """Tells customers of an operation at once; what does not go is left to the queue."""

    announcements: Announcements | None = None

    async def operation(self, instance: str, operation_id: str) -> None:
        """See the base class."""
        assert self.announcements is not None
        order = messages.Announce(instance=instance, operation=operation_id)
        try:
            await self.announcements.run(order)
        except DeviceUpdateError:
            await Announcer.operation(self, instance, operation_id)
