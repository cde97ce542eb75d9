"""Domain objects as the objects of the REST API."""

from shared.http.wire.common import error, etag, path, update_id, update_info, update_path
from shared.http.wire.deployments import deployment, deployment_etag, subgroup_status
from shared.http.wire.devices import (
    device,
    device_details,
    device_failure,
    device_health,
    device_operation,
    exported_file,
    failures,
    installation,
    log_collection,
    log_collection_details,
    log_file,
)
from shared.http.wire.groups import compliance, device_class, group_type
from shared.http.wire.health import connection_health, event_health
from shared.http.wire.updates import operation, update, update_file

__all__ = [
    "compliance",
    "connection_health",
    "deployment",
    "deployment_etag",
    "device",
    "device_class",
    "device_details",
    "device_failure",
    "device_health",
    "device_operation",
    "error",
    "etag",
    "event_health",
    "exported_file",
    "failures",
    "group_type",
    "installation",
    "log_collection",
    "log_collection_details",
    "log_file",
    "operation",
    "path",
    "subgroup_status",
    "update",
    "update_file",
    "update_id",
    "update_info",
    "update_path",
]
