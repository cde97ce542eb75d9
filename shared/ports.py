"""What the services need of the outside, as protocols; the adapters implement them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from shared.domain.counters import Counts, History
from shared.domain.deployment import Deployment
from shared.domain.device import DeviceRecord, DeviceView, TwinChange, view
from shared.domain.device_class import DeviceClass
from shared.domain.log_collection import LogCollection
from shared.domain.operation import Operation
from shared.domain.scan import Verdict
from shared.domain.topology import Container, Queue
from shared.domain.update import Update
from shared.domain.update_id import UpdateId

type TwinSource = Literal["devices", "devices.modules"]
"""What the hub's query language can select twins from."""


@dataclass(frozen=True, slots=True)
class Stored[T]:
    """A value as read from storage, with the ETag that a guarded write needs."""

    value: T
    etag: str


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a listing; `token` continues it, None at the end."""

    items: Sequence[T]
    token: str | None = None


@dataclass(frozen=True, slots=True)
class KnownClass:
    """A device class that devices of the instance have reported."""

    device_class: DeviceClass
    created_at: str
    friendly_name: str | None = None
    best_update: UpdateId | None = None


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group that devices of the instance belong or belonged to."""

    group_id: str
    created_at: str


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which rows of devices to read; None is any.

    `state` is the one within the last deployment, empty for devices that never had one. With a
    device id, the modules of the device come with it, and so may devices whose id begins alike.
    `health` is a state of `shared.domain.health`.
    """

    group: str | None = None
    class_id: str | None = None
    deployment_id: str | None = None
    state: str | None = None
    device_id: str | None = None
    health: str | None = None


@dataclass(frozen=True)  # no slots: it keeps what it has worked out
class DeviceWrite:
    """A device row to write: what was read (None if absent), what it becomes, what it leaves
    behind.
    """

    before: Stored[DeviceRecord] | None
    after: DeviceRecord
    history: History | None = None

    @cached_property
    def was(self) -> DeviceView | None:
        """What the device was before."""
        return view(self.before.value) if self.before else None

    @cached_property
    def becomes(self) -> DeviceView:
        """What the device is after."""
        return view(self.after)


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counters of a group summed over its buckets, by group and class, as of a time."""

    counts: Counts
    as_of: str


class ByteStream(Protocol):
    """Bytes in pieces; whoever stops before the end closes it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class SourceBytes(ByteStream, Protocol):
    """What a publisher's URL gives; its ETag is known with the first piece."""

    @property
    def etag(self) -> str | None: ...


class Clock(Protocol):
    """Time and fresh identifiers."""

    def now(self) -> str:
        """The time, ISO 8601 in UTC with microseconds; comparable as text."""
        ...

    def fresh_id(self) -> str:
        """A new unguessable id, 32 hexadecimal digits."""
        ...


class Queues(Protocol):
    """The work queues."""

    async def put(
        self, queue: Queue, message: Mapping[str, Any], *, delay_seconds: float = 0
    ) -> None:
        """Add a message, visible after the delay."""
        ...


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that failed for good. `content` is as it is stored, `text` its body."""

    queue: str
    identity: str
    receipt: str
    content: str
    text: str
    inserted_at: str


class PoisonQueues(Protocol):
    """Where the host puts messages that failed as often as it delivers them."""

    async def peek(self, queue: str) -> Sequence[DeadMessage]:
        """The first messages, left where they are."""
        ...

    async def count(self, queue: str) -> int:
        """About how many there are."""
        ...

    async def take(self, queue: str) -> DeadMessage | None:
        """One message, hidden from others for a minute."""
        ...

    async def put_back(self, queue: Queue, message: DeadMessage) -> None:
        """Put a message into a work queue again."""
        ...

    async def delete(self, message: DeadMessage) -> None:
        """Delete a taken message."""
        ...


@dataclass(frozen=True, slots=True)
class Staged:
    """The beginning of a blob that was never finished.

    `source` is what the sink that wrote it was told of its source; `blocks` is for the storage. A
    blob that came by `stage_copy` has its whole content but need not have blocks to add to.
    """

    size_bytes: int
    source: str | None
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob as a listing shows it."""

    name: str
    etag: str
    modified_at: str


class BlobSink(Protocol):
    """A blob being written; it is finished with `commit`.

    `source` is the ETag of where the bytes come from, kept for whoever goes on after a crash: to be
    set before the first write.
    """

    source: str | None

    async def write(self, chunk: bytes) -> None:
        """Append bytes."""
        ...

    async def commit(self, metadata: Mapping[str, str]) -> None:
        """Finish the blob. Raises ConcurrentUpdate where another attempt began it anew."""
        ...

    async def close(self) -> None:
        """Stop writing, whether it is finished or not."""
        ...


class Blobs(Protocol):
    """The blob containers."""

    async def read(
        self, container: Container, name: str, *, max_bytes: int = 1 << 20
    ) -> bytes | None:
        """The content of a small blob; None if there is none. Raises LimitExceeded above the
        bound.
        """
        ...

    async def write(self, container: Container, name: str, content: bytes) -> None:
        """Write a small blob, replacing any."""
        ...

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        """Metadata, `size` and `etag` of a blob; None if there is none."""
        ...

    async def touch(self, container: Container, name: str) -> bool:
        """Give a blob a new ETag; False if there is none."""
        ...

    async def delete(self, container: Container, name: str, etag: str) -> None:
        """Delete a blob, unless it has changed since its ETag was read."""
        ...

    def open_write(self, container: Container, name: str, staged: Staged | None = None) -> BlobSink:
        """Start writing a blob of any size, or go on after what is staged."""
        ...

    async def staged(self, container: Container, name: str) -> Staged | None:
        """What there is of a blob that was begun; from now on it can be read."""
        ...

    def stream(self, container: Container, name: str) -> ByteStream:
        """The content of a blob in pieces. Raises NotFound."""
        ...

    async def download(self, container: Container, name: str, path: Path) -> str:
        """Copy a blob into a file; its ETag. Raises NotFound."""
        ...

    async def copy(
        self,
        source: tuple[Container, str],
        target: tuple[Container, str],
        *,
        etag: str | None = None,
    ) -> None:
        """Copy a blob within the account, metadata included.

        Raises:
            ConcurrentUpdate: It is gone, or no longer what the ETag says.
        """
        ...

    async def stage_copy(self, url: str, etag: str, container: Container, name: str) -> None:
        """Begin a blob with the whole content of another one of this account.

        The URL is used as it is; the caller has made sure that it may be read by whoever gave it.

        Raises:
            ConcurrentUpdate: That blob is gone, or no longer what the ETag says.
        """
        ...

    def is_own(self, url: str) -> bool:
        """Whether a URL is that of a blob of this account."""
        ...

    async def list(
        self, container: Container, prefix: str, token: str | None = None
    ) -> Page[BlobFacts]:
        """Blobs by name."""
        ...

    async def delete_all(self, container: Container, prefix: str) -> None:
        """Delete every blob whose name begins with the prefix."""
        ...

    async def link(self, container: Container, name: str, filename: str) -> str:
        """A time-limited read-only address of a blob for devices."""
        ...

    async def upload_link(self, container: Container, hours: float) -> str:
        """An address of a container with which blobs can be written, not read, for some hours."""
        ...

    def address(self, container: Container, name: str) -> str:
        """The address of a blob or of the blobs below a name; it opens nothing by itself."""
        ...


class Operations(Protocol):
    """Long-running operations of an instance."""

    async def add(self, instance: str, operation: Operation) -> bool:
        """Store a new one; False if it exists already."""
        ...

    async def get(self, instance: str, operation_id: str) -> Stored[Operation] | None: ...

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        """Replace, guarded; the new ETag. Raises ConcurrentUpdate."""
        ...

    async def list(
        self,
        instance: str,
        token: str | None,
        *,
        size: int = 100,
        kind: str | None = None,
        is_running: bool = False,
    ) -> Page[Stored[Operation]]:
        """Newest first; of one kind, or only those that have not ended, if asked."""
        ...

    async def count_running(self, instance: str, *, newer_than: str, up_to: int) -> int:
        """How many with an id that is newer than another have not ended, counted no further than
        `up_to`.
        """
        ...


class Updates(Protocol):
    """Published updates of an instance."""

    async def add(self, instance: str, update: Update) -> bool:
        """Publish; False if there is one of that id already."""
        ...

    async def get(self, instance: str, update_id: UpdateId) -> Stored[Update] | None: ...

    async def list(
        self,
        instance: str,
        *,
        provider: str | None = None,
        name: str | None = None,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[Stored[Update]]:
        """All, or those of a provider or of a provider's name, in the order of provider and
        name.
        """
        ...

    async def save(self, instance: str, update: Update, etag: str) -> str:
        """Replace, guarded; the new ETag. Raises ConcurrentUpdate."""
        ...

    async def names(
        self, instance: str, provider: str | None = None, *, after: str | None, size: int
    ) -> Sequence[str]:
        """At most `size` providers, or names of a provider, that follow one in storage's order."""
        ...

    async def versions(
        self,
        instance: str,
        provider: str,
        name: str,
        *,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[str]:
        """Versions in their order."""
        ...

    async def delete(self, instance: str, update_id: UpdateId) -> None: ...


class Devices(Protocol):
    """Device rows with the counters beside them, by bucket."""

    async def load(
        self, instance: str, bucket: int, keys: Sequence[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """The rows of these devices, without those that have none."""
        ...

    async def commit(self, instance: str, bucket: int, writes: Sequence[DeviceWrite]) -> None:
        """Write rows, histories and counters, all or nothing for each device.

        The history row of a device that takes up a deployment again goes.

        Raises:
            ConcurrentUpdate: Something changed since it was read; read again and retry.
        """
        ...

    async def of_bucket(
        self, instance: str, bucket: int, *, group: str | None = None, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        """The rows of a bucket, of one group if asked."""
        ...

    async def find(
        self, instance: str, bucket: int, query: DeviceQuery, *, after: str, size: int
    ) -> Sequence[Stored[DeviceRecord]]:
        """The next `size` rows of devices with a class, or all that are left, after a device's
        key (empty: from the first), in storage's order.
        """
        ...

    async def history(
        self,
        instance: str,
        bucket: int,
        workflow_id: str,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Sequence[History]:
        """Devices of the bucket that have moved on from the deployment with the workflow; those
        after a device's key, and no more than `size`, if asked.
        """
        ...

    async def counts(self, instance: str, bucket: int, group: str) -> Counts:
        """The counters of one group in one bucket."""
        ...


class Fleet(Protocol):
    """Groups, classes and the buckets that a group has devices in; all derived from devices."""

    async def note(self, instance: str, group: str, bucket: int, device_class: DeviceClass) -> bool:
        """Make group, class and bucket known before a device of theirs is written; True if new."""
        ...

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        """Every bucket that has or had a device of the group."""
        ...

    async def groups(
        self, instance: str, *, with_deleted: bool = False
    ) -> Sequence[KnownGroup]: ...

    async def classes(
        self, instance: str, *, with_deleted: bool = False
    ) -> Sequence[KnownClass]: ...

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None: ...

    async def delete_class(self, instance: str, class_id: str) -> None:
        """Hide a class until `revive` finds devices of it."""
        ...

    async def delete_group(self, instance: str, group: str) -> None:
        """Hide a group and drop its roll-up until `revive` finds devices of it."""
        ...

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        """Hide a class of a group until `revive` finds devices of it."""
        ...

    async def revive(self, instance: str, group: str, present: Set[str]) -> Set[str] | None:
        """Bring back what was deleted and has devices again, without its history.

        Args:
            instance: The instance.
            group: A group.
            present: Ids of the classes that it has devices of.

        Returns:
            The classes that stay deleted in the group; None if the group itself does.
        """
        ...

    async def class_page(
        self, instance: str, friendly_name: str | None, *, token: str | None, size: int
    ) -> Page[KnownClass]:
        """One page of the classes, or of those with a friendly name."""
        ...

    async def set_best_update(
        self, instance: str, class_id: str, best: UpdateId | None
    ) -> None: ...

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        """Store a roll-up, unless a newer one is there. Raises ConcurrentUpdate."""
        ...

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        """Roll-ups by group: of one, or of all."""
        ...

    async def drop_rollup(self, instance: str, group: str) -> None: ...


class Deployments(Protocol):
    """Deployments of an instance's groups."""

    async def add(self, instance: str, deployment: Deployment) -> bool:
        """Store a new one; False if the group has one of that id."""
        ...

    async def get(
        self, instance: str, group: str, deployment_id: str
    ) -> Stored[Deployment] | None: ...

    async def save(self, instance: str, deployment: Deployment, etag: str) -> None:
        """Replace, guarded. Raises ConcurrentUpdate."""
        ...

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]: ...

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        """One page of a group's, in the order of their ids."""
        ...

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        """Start and id of each of a group's."""
        ...

    async def count(self, instance: str, group: str, up_to: int) -> int:
        """How many a group has, counted no further than `up_to`."""
        ...

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]: ...

    async def delete(self, instance: str, group: str, deployment_id: str) -> None: ...


class LogCollections(Protocol):
    """Log collections of an instance."""

    async def add(self, instance: str, collection: LogCollection) -> bool:
        """Store a new one; False if there is one of that id."""
        ...

    async def get(self, instance: str, collection_id: str) -> Stored[LogCollection] | None: ...

    async def save(self, instance: str, collection: LogCollection, etag: str) -> None:
        """Replace, guarded. Raises ConcurrentUpdate."""
        ...

    async def list(self, instance: str, token: str | None, *, size: int) -> Page[LogCollection]:
        """By id."""
        ...

    async def waiting(self, instance: str) -> Sequence[LogCollection]:
        """Those with devices that have not been asked yet."""
        ...


class Hub(Protocol):
    """The IoT hub of an instance."""

    async def patch_desired(
        self, instance: str, device_id: str, module_id: str | None, desired: Mapping[str, Any]
    ) -> None:
        """Merge into the desired properties.

        Raises:
            NotFound: No such device.
            DependencyFailed: Throttled or unreachable.
        """
        ...

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        """The whole twin as a change; None if there is no such device."""
        ...

    async def query_twins(
        self, instance: str, source: TwinSource, token: str | None
    ) -> Page[TwinChange]:
        """A page of all twins as the hub's query index has them: up to half an hour old.

        Raises:
            DependencyFailed: Throttled or unreachable.
        """
        ...


class Events(Protocol):
    """The service's own Event Grid topic."""

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        """Publish one event for each payload."""
        ...


class Fetcher(Protocol):
    """Reads what publishers link to."""

    async def read_small(self, url: str, *, max_bytes: int) -> bytes: ...

    def stream(
        self, url: str, *, size_bytes: int, offset: int = 0, etag: str | None = None
    ) -> SourceBytes: ...


class Scanner(Protocol):
    """A malware scanner."""

    async def scan(
        self,
        path: Path,
        *,
        sha256: str,
        size_bytes: int,
        deadline_seconds: float,
        name: str,
        opaque: bool,
    ) -> Verdict:
        """Scan a file and what is inside it.

        Args:
            path: The file.
            sha256: What it must hash to, base64: a verdict is bound to its content.
            size_bytes: What it must measure.
            deadline_seconds: No verdict by then is an error, never clean.
            name: What reports call it.
            opaque: It cannot be opened (a delta): look at its bytes only.
        """
        ...


class Signer(Protocol):
    """Private signing keys; they may be elsewhere."""

    async def sign(self, key: str, digest: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 over a SHA-256 digest.

        Args:
            key: Which key: see the keyring.
            digest: 32 bytes.

        Raises:
            DependencyFailed: There is no such key, it must not be used, or it is out of reach.
        """
        ...


class Sealer(Protocol):
    """Keeps secrets unreadable at rest."""

    def seal(self, text: str) -> str: ...

    def unseal(self, sealed: str) -> str: ...
