"""The names of everything the service stores in, listens to and publishes to.

The triggers, the adapters, the local stack and the deployment templates all read these names from
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

Queue = Literal[
    "import",
    "scan",
    "publish",
    "delete",
    "recall",
    "rescan",
    "delta",
    "fanout",
    "reconcile",
    "rollup",
    "resign",
    "registry",
    "logs",
    "replay",
    "announce",
    "export",
]
Table = Literal[
    "Updates",
    "Operations",
    "Devices",
    "Buckets",
    "Rollups",
    "Deployments",
    "DeviceClasses",
    "Groups",
    "LogCollections",
    "Verdicts",
    "Recounts",
    "Holders",
    "Audit",
    "Trends",
]
Container = Literal[
    "imports",
    "quarantine",
    "content",
    "manifests",
    "rules",
    "deadletter",
    "diagnostics",
    "audit",
    "uploads",
]

QUEUES: tuple[Queue, ...] = get_args(Queue)
TABLES: tuple[Table, ...] = get_args(Table)
CONTAINERS: tuple[Container, ...] = get_args(Container)

STATE_CONNECTION = "STATE"
"""App setting (or prefix of settings) of the account that holds tables and queues."""
CONTENT_CONNECTION = "CONTENT"
"""App setting (or prefix of settings) of the account that holds blobs."""
TWINS_CONNECTION = "TWINS"
"""App setting (or prefix of settings) of the Event Hubs namespace that the hub routes to."""

TWINS_EVENT_HUB = "twins"
TWINS_CONSUMER_GROUP = "odu"

IMPORT_MANIFEST_SUFFIX = ".importmanifest.json"
IMPORT_STATUS_SUFFIX = ".importstatus.json"
SCAN_REQUEST = "scan.json"
"""Name of the small blob whose creation says that every file of an import is in quarantine."""


class EventType(StrEnum):
    """Types of the events that reach Event Grid subscriptions."""

    TWIN_CHANGES = "OpenDeviceUpdate.TwinChanges"
    DEVICE_DELETED = "Microsoft.Devices.DeviceDeleted"
    DEVICE_CONNECTED = "Microsoft.Devices.DeviceConnected"
    DEVICE_DISCONNECTED = "Microsoft.Devices.DeviceDisconnected"
    BLOB_CREATED = "Microsoft.Storage.BlobCreated"
    MALWARE_SCANNED = "Microsoft.Security.MalwareScanningResult"


@dataclass(frozen=True, slots=True)
class EventSubscription:
    """One Event Grid subscription that feeds a function.

    `source` is the topic: the service's own custom topic, the system topic of the hub or of the
    content storage account, or the custom topic that Microsoft Defender publishes its results to.

    `kind` says through which webhook of the Functions host it is
    delivered.
    """

    name: str
    source: Literal["topic", "iothub", "storage", "defender"]
    kind: Literal["event_grid", "blob"]
    function: str
    event_types: tuple[EventType, ...]
    subject_begins_with: str = ""
    subject_ends_with: str = ""


EVENT_SUBSCRIPTIONS = (
    EventSubscription(
        name="twin-changes",
        source="topic",
        kind="event_grid",
        function="apply_twin_changes",
        event_types=(EventType.TWIN_CHANGES,),
    ),
    EventSubscription(
        name="device-lifecycle",
        source="iothub",
        kind="event_grid",
        function="apply_device_event",
        event_types=(
            EventType.DEVICE_DELETED,
            EventType.DEVICE_CONNECTED,
            EventType.DEVICE_DISCONNECTED,
        ),
    ),
    EventSubscription(
        name="import-drop",
        source="storage",
        kind="blob",
        function="import_dropped",
        event_types=(EventType.BLOB_CREATED,),
        subject_begins_with="/blobServices/default/containers/imports/blobs/",
        subject_ends_with=IMPORT_MANIFEST_SUFFIX,
    ),
    EventSubscription(
        name="quarantined",
        source="storage",
        kind="blob",
        function="scan_quarantined",
        event_types=(EventType.BLOB_CREATED,),
        subject_begins_with="/blobServices/default/containers/quarantine/blobs/",
        subject_ends_with=SCAN_REQUEST,
    ),
    EventSubscription(
        name="malware-scanned",
        source="defender",
        kind="event_grid",
        function="apply_malware_result",
        event_types=(EventType.MALWARE_SCANNED,),
    ),
)


def quarantine_prefix(instance: str, operation_id: str) -> str:
    """Where an import keeps its untrusted content."""
    return f"{instance}/{operation_id}/"
