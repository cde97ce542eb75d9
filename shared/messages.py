"""The messages on the work queues: one type each, written and read here alone.

A message is JSON with camelCase members. It is a hint to look at stored state, never state itself:
it may come twice, late or not at all. Members that a later release adds have defaults, and unknown
ones are ignored, so that messages of two releases can lie in one queue during a deployment.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import msgspec

from shared.domain.domain_event import DomainEvent
from shared.domain.updates.update_id import UpdateId
from shared.signals import Facts
from shared.topology import Queue


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all. `queue` is where it goes, `work` says in words what it has done.

    `traceparent` is the W3C trace context of what it was put there by; whoever puts it into a queue
    need not say: the adapter does.
    """

    queue: ClassVar[Queue]
    work: ClassVar[str]
    traceparent: str = ""


M = TypeVar("M", bound=Message)


class _OfOperation(Message, frozen=True, kw_only=True):
    instance: str
    operation: str


class FetchImport(_OfOperation, frozen=True, kw_only=True):
    """Fetch what an import names into quarantine."""

    queue: ClassVar[Queue] = "import"
    work: ClassVar[str] = "fetch the files of an import"


class ScanImport(_OfOperation, frozen=True, kw_only=True):
    """Look whether the verdicts have come that an import waits for."""

    queue: ClassVar[Queue] = "scan"
    work: ClassVar[str] = "go on with the scan of an import"


class PublishImport(_OfOperation, frozen=True, kw_only=True):
    """Publish what was scanned."""

    queue: ClassVar[Queue] = "publish"
    work: ClassVar[str] = "publish the updates of an import"


class DeleteUpdate(_OfOperation, frozen=True, kw_only=True):
    """Delete an update and what it alone needed."""

    queue: ClassVar[Queue] = "delete"
    work: ClassVar[str] = "delete an update"


class StopRecalled(Message, frozen=True, kw_only=True):
    """Stop whatever hands out an update; `made_by` is the operation that imported it.

    `is_automatic` says that nobody has asked for it.
    """

    queue: ClassVar[Queue] = "recall"
    work: ClassVar[str] = "stop what hands out a recalled update"
    instance: str
    update: UpdateId
    made_by: str
    reason: str
    is_automatic: bool = False


class RescanStep(_OfOperation, frozen=True, kw_only=True):
    """Scan one published file again; a step that is done changes nothing."""

    queue: ClassVar[Queue] = "rescan"
    work: ClassVar[str] = "scan published content again"
    step: int


class MakeDelta(_OfOperation, frozen=True, kw_only=True):
    """Make the deltas between two versions of an update, or attach those that were scanned."""

    queue: ClassVar[Queue] = "delta"
    work: ClassVar[str] = "make a delta between two versions of an update"


class FanOut(Message, frozen=True, kw_only=True):
    """Hand out the work of a new or changed deployment to the buckets of its group.

    `first` counts the buckets that have theirs already. Of a deployment that was deleted, `deleted`
    is the workflow: what it asked is taken back.
    """

    queue: ClassVar[Queue] = "fanout"
    work: ClassVar[str] = "hand out the work of a deployment"
    instance: str
    group: str
    deployment: str
    first: int = 0
    deleted: str | None = None


class Reconcile(Message, frozen=True, kw_only=True):
    """Bring twins of one bucket to what they should ask for: of a group, or of single devices.

    With `workflow` only devices of the group are looked at that have to do with its deployment:
    those that it has yet to ask (`unasked`), those that it has asked and that have not succeeded
    (`asked`).
    `unexplained` are devices whose report makes no sense yet: their whole twins are read again.
    `held` are devices whose class was held back: it may be let in by now.
    `recalled` is an update that is taken back from every device of the bucket whose twin holds it.
    """

    queue: ClassVar[Queue] = "reconcile"
    work: ClassVar[str] = "bring devices to what their deployments ask for"
    instance: str
    bucket: int
    group: str | None = None
    workflow: str | None = None
    unasked: bool = True
    asked: bool = True
    devices: list[str] | None = None
    unexplained: list[str] | None = None
    held: list[str] | None = None
    recalled: UpdateId | None = None


class RollUp(Message, frozen=True, kw_only=True):
    """Sum up the counters of a group, for a change that was made at a time."""

    queue: ClassVar[Queue] = "rollup"
    work: ClassVar[str] = "sum up the counters of a group"
    instance: str
    group: str
    at: str = ""


class Resign(Message, frozen=True, kw_only=True):
    """Sign anew: everything, or one instance's updates from a page on, or its deployments."""

    queue: ClassVar[Queue] = "resign"
    work: ClassVar[str] = "sign updates anew"
    instance: str | None = None
    token: str | None = None
    deployments: bool = False


class RegistryStep(_OfOperation, frozen=True, kw_only=True):
    """Read one page of the hub's registry; a step that is done changes nothing."""

    queue: ClassVar[Queue] = "registry"
    work: ClassVar[str] = "re-read the registry of a hub"
    step: int


class CollectLogs(Message, frozen=True, kw_only=True):
    """Ask the devices of a log collection."""

    queue: ClassVar[Queue] = "logs"
    work: ClassVar[str] = "follow a collection of logs"
    instance: str
    collection: str


class ReplayEvents(Message, frozen=True, kw_only=True):
    """Handle the events of a dead-letter blob as if Event Grid had delivered them."""

    queue: ClassVar[Queue] = "replay"
    work: ClassVar[str] = "handle an event that was given up"
    blob: str


class Announce(Message, frozen=True, kw_only=True):
    """Tell customers what is written down: in a bucket, an operation, a deployment, or here."""

    queue: ClassVar[Queue] = "announce"
    work: ClassVar[str] = "tell customers what has happened"
    instance: str
    bucket: int | None = None
    operation: str | None = None
    group: str | None = None
    deployment: str | None = None
    events: list[DomainEvent] | None = None


class ExportDevices(_OfOperation, frozen=True, kw_only=True):
    """Write a list of devices into a file."""

    queue: ClassVar[Queue] = "export"
    work: ClassVar[str] = "export devices"


MESSAGES: dict[Queue, type[Message]] = {
    kind.queue: kind
    for kind in (
        FetchImport,
        ScanImport,
        PublishImport,
        DeleteUpdate,
        StopRecalled,
        RescanStep,
        MakeDelta,
        FanOut,
        Reconcile,
        RollUp,
        Resign,
        RegistryStep,
        CollectLogs,
        ReplayEvents,
        Announce,
        ExportDevices,
    )
}
"""The type of each queue's messages."""


def encode(message: Message) -> bytes:
    """The JSON text of a message."""
    return msgspec.json.encode(message)


def decode(kind: type[M], text: bytes | str) -> M:
    """A message from its JSON text.

    Raises:
        msgspec.ValidationError: It is not of that kind; the host makes it poison.
    """
    return msgspec.json.decode(text, type=kind)


def trace_of(text: bytes | str) -> tuple[str, Facts]:
    """The trace context of a message of any kind, and what it is about; empty if it is none."""
    try:
        found = msgspec.json.decode(text, type=_About)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", {}
    return found.traceparent, {
        "instance": found.instance or "",
        "operation": found.operation or "",
        "group": found.group or "",
        "deployment": found.deployment or "",
        "workflow": found.workflow or "",
        "collection": found.collection or "",
    }


class _About(msgspec.Struct, frozen=True):
    """What messages of all kinds call the things that they are about."""

    traceparent: str = ""
    instance: str | None = None
    operation: str | None = None
    group: str | None = None
    deployment: str | None = None
    workflow: str | None = None
    collection: str | None = None


def members(message: Message) -> dict[str, Any]:
    """The members of a message as JSON values, those with defaults left out."""
    body: dict[str, Any] = msgspec.to_builtins(message)
    return body
