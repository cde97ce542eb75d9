"""What the services need of the outside, as protocols; the adapters implement them."""

from shared.ports.accepted_packages import AcceptedPackages
from shared.ports.audit import AuditLog
from shared.ports.blobs import BlobFacts, Blobs, BlobSink, Staged
from shared.ports.changes import ChangeFeed
from shared.ports.common import ByteStream, Clock, Page, Stored
from shared.ports.deltas import DeltaMaker, MadeDelta
from shared.ports.deployments import Deployments
from shared.ports.devices import DeviceQuery, Devices, DeviceWrite, Revision
from shared.ports.event_lag import EventLags
from shared.ports.events import CustomerTopic, Events
from shared.ports.fetching import Fetcher, SourceBytes
from shared.ports.fleet import Fleet, KnownClass, KnownGroup, LastRollup, Rollup
from shared.ports.group_members import GroupMembers
from shared.ports.holders import Holders
from shared.ports.hub import Hub, TwinSource
from shared.ports.keys import Sealer, Signer
from shared.ports.log_collections import LogCollections
from shared.ports.new_classes import HeldDevice, NewClasses
from shared.ports.operations import Operations
from shared.ports.own_deployments import OwnDeployments, OwnNote
from shared.ports.passes import DueQuery, HubBudget, Passes
from shared.ports.ports import Ports
from shared.ports.queues import DeadMessage, PoisonQueues, Queues
from shared.ports.recounts import Correction, Counters, Recounts
from shared.ports.refusals import RefusalCounts
from shared.ports.scanning import JudgedContent, RuleScanner, Sample, Scanner, Verdicts
from shared.ports.table_files import TableFiles, TableWriter
from shared.ports.telemetry import NO_TELEMETRY, NoTelemetry, Telemetry
from shared.ports.tokens import Tokens
from shared.ports.trends import Trends
from shared.ports.updates import Updates

__all__ = [
    "NO_TELEMETRY",
    "AcceptedPackages",
    "AuditLog",
    "BlobFacts",
    "BlobSink",
    "Blobs",
    "ByteStream",
    "ChangeFeed",
    "Clock",
    "Correction",
    "Counters",
    "CustomerTopic",
    "DeadMessage",
    "DeltaMaker",
    "Deployments",
    "DeviceQuery",
    "DeviceWrite",
    "Devices",
    "DueQuery",
    "EventLags",
    "Events",
    "Fetcher",
    "Fleet",
    "GroupMembers",
    "HeldDevice",
    "Holders",
    "Hub",
    "HubBudget",
    "JudgedContent",
    "KnownClass",
    "KnownGroup",
    "LastRollup",
    "LogCollections",
    "MadeDelta",
    "NewClasses",
    "NoTelemetry",
    "Operations",
    "OwnDeployments",
    "OwnNote",
    "Page",
    "Passes",
    "PoisonQueues",
    "Ports",
    "Queues",
    "Recounts",
    "RefusalCounts",
    "Revision",
    "Rollup",
    "RuleScanner",
    "Sample",
    "Scanner",
    "Sealer",
    "Signer",
    "SourceBytes",
    "Staged",
    "Stored",
    "TableFiles",
    "TableWriter",
    "Telemetry",
    "Tokens",
    "Trends",
    "TwinSource",
    "Updates",
    "Verdicts",
]
