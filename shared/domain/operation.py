"""Long-running operations: imports, deletions, deltas, re-scans, re-reads and exports of
devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from shared.domain.domain_event import DomainEvent
from shared.domain.errors import DeviceUpdateError
from shared.domain.export_order import Export
from shared.domain.updates.delta_outcome import DeltaOutcome
from shared.domain.updates.update_id import UpdateId


class OperationStatus(StrEnum):
    """Status words of the API."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Stage(StrEnum):
    """Where an operation is on its way: three stages of an import, one of a deletion, three of a
    re-read of the registry, one of a re-scan, one of an export. A delta begins with one of its own,
    then is scanned and published.
    """

    FETCH = "fetch"
    SCAN = "scan"
    PUBLISH = "publish"
    DELETE = "delete"
    DEVICES = "devices"
    MODULES = "modules"
    CHECK = "check"
    RESCAN = "rescan"
    EXPORT = "export"
    DELTA = "delta"
    END = "end"


@dataclass(frozen=True, slots=True)
class ImportSource:
    """Where one import manifest and its files come from.

    For `url`, the manifest's address and those of the files are sealed texts (they hold SAS
    secrets); for `drop`, they are names in the drop container. `manifest_size_bytes` and
    `manifest_sha256` are what the publisher stated; a drop states none, and is held to the hash of
    what was read first.
    """

    kind: Literal["url", "drop"]
    manifest: str
    manifest_size_bytes: int | None
    manifest_sha256: str | None
    friendly_name: str | None
    files: Mapping[str, str]
    etag: str | None = None
    """Which version of the dropped manifest it is; a newer one is another import."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored and shown."""

    code: str
    message: str
    target: str | None = None
    details: tuple[Failure, ...] = ()
    inner: Failure | None = None

    @classmethod
    def of(cls, error: DeviceUpdateError) -> Failure:
        """The stored form of a domain error."""
        return cls(
            error.code,
            error.message,
            error.target,
            tuple(cls.of(item) for item in error.details),
            cls.of(error.inner) if error.inner else None,
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. Times are ISO 8601, UTC.

    `bytes_done` of `bytes_total` says how much of the files of an import is fetched,
    `files_scanned` of `files_total` how many of them have their verdicts. `subject` is what a
    deletion, a delta, a re-read or a re-scan is about: the import that made the update (twice), the
    kind of import of devices, what the scanners knew. The latter two go on at `position`; `step`
    counts their pages, so that a repeated message does nothing. `tries` says how often the present
    stage was begun, `last_error` why the last try failed that is to be repeated. `missing` are the
    files that a dropped manifest waits for, `missing_updates` its children, `awaited` the files on
    which a scanner has told nothing yet, since `awaited_since`. `events` are still to be told to
    customers. A delta is made from the version `source_version` of the update; `deltas` says of
    each file what came of it. `export` is what an export of devices is about. `traceparent` is the
    W3C trace context of the call or drop that began it.
    """

    operation_id: str
    kind: Literal["import", "delete", "devices", "rescan", "delta"]
    status: OperationStatus
    stage: Stage
    created_at: str
    changed_at: str
    trace_id: str
    sources: tuple[ImportSource, ...] = ()
    update_id: UpdateId | None = None
    failure: Failure | None = None
    bytes_done: int = 0
    bytes_total: int = 0
    subject: str = ""
    position: str | None = None
    step: int = 0
    tries: int = 0
    traceparent: str = ""
    last_error: Failure | None = None
    missing: tuple[str, ...] = ()
    missing_updates: tuple[UpdateId, ...] = ()
    files_scanned: int = 0
    files_total: int = 0
    events: tuple[DomainEvent, ...] = ()
    awaited: tuple[str, ...] = ()
    awaited_since: str | None = None
    warnings: tuple[str, ...] = ()
    export: Export | None = None
    source_version: str | None = None
    deltas: tuple[DeltaOutcome, ...] = ()

    @property
    def turn(self) -> tuple[Stage, int]:
        """What a newer try at the work changes."""
        return (self.stage, self.tries)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in (OperationStatus.SUCCEEDED, OperationStatus.FAILED)

    def begun(self, stage: Stage, now: str) -> Operation:
        """The operation, running, at one more try of a stage."""
        tries = self.tries + 1 if stage is self.stage else 1
        return self.moved(stage, now, tries=tries)

    def moved(self, stage: Stage, now: str, **changes: Any) -> Operation:
        """The operation, running, at a stage."""
        return replace(self, stage=stage, status=OperationStatus.RUNNING, changed_at=now, **changes)

    def succeeded(self, update_id: UpdateId | None, now: str) -> Operation:
        """The operation, done; its sources are forgotten with their secrets."""
        return replace(
            self,
            stage=Stage.END,
            status=OperationStatus.SUCCEEDED,
            update_id=update_id,
            changed_at=now,
            sources=self._without_urls(),
        )

    def failed(self, error: DeviceUpdateError, now: str) -> Operation:
        """The operation, ended by an error; its sources are forgotten with their secrets."""
        return replace(
            self,
            stage=Stage.END,
            status=OperationStatus.FAILED,
            failure=Failure.of(error),
            changed_at=now,
            sources=self._without_urls(),
        )

    def _without_urls(self) -> tuple[ImportSource, ...]:
        return tuple(
            source if source.kind == "drop" else replace(source, manifest="", files={})
            for source in self.sources
        )
