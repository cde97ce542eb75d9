"""Identities with their twins: how they are stored, and how the service API shows them."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from local.cloud.iothub.errors import not_found
from local.cloud.iothub.twin import Twin, document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

NEVER = "0001-01-01T00:00:00Z"


class Key(NamedTuple):
    """Names a device, or one module of a device."""

    device_id: str
    module_id: str = ""

    def __str__(self) -> str:
        return f"{self.device_id}/{self.module_id}" if self.module_id else self.device_id


class SymmetricKey(msgspec.Struct, frozen=True, rename="camel"):
    """The two keys of an identity, base64."""

    primary_key: str | None = None
    secondary_key: str | None = None


class Thumbprints(msgspec.Struct, frozen=True, rename="camel"):
    """SHA-1 or SHA-256 digests of an identity's certificates, hexadecimal."""

    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None


class Authentication(msgspec.Struct, frozen=True, rename="camel"):
    """How an identity proves itself."""

    type: str = "sas"
    symmetric_key: SymmetricKey = SymmetricKey()
    x509_thumbprint: Thumbprints = Thumbprints()


class Identity(msgspec.Struct, frozen=True):
    """What the registry knows of a device or module."""

    generation_id: str
    etag: str
    authentication: Authentication
    status: str = "enabled"
    status_reason: str | None = None
    status_updated: str = NEVER
    iot_edge: bool = False
    device_scope: str | None = None
    parent_scopes: list[str] = []
    managed_by: str | None = None


class Record(NamedTuple):
    """One row: identity, twin and connection."""

    key: Key
    identity: Identity
    twin: Twin
    model_id: str = ""
    connected: bool = False
    connection_updated: str = NEVER
    last_activity: str = NEVER


def new_etag() -> str:
    """Return a fresh ETag of an identity: opaque, base64."""
    return base64.b64encode(str(secrets.randbelow(10**9)).encode()).decode()


_COLUMNS = (
    "device_id, module_id, identity, twin, model_id, connected, connection_updated, last_activity"
)
_identities = msgspec.json.Decoder(Identity)
_twins = msgspec.json.Decoder(Twin)


def load(connection: sqlite3.Connection, key: Key) -> Record:
    """Return the record.

    Raises:
        HubError: 404.
    """
    record = find(connection, key)
    if record is None:
        raise not_found(*key)
    return record


def find(connection: sqlite3.Connection, key: Key) -> Record | None:
    """Return the record, or None."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM identities WHERE device_id = ? AND module_id = ?",  # noqa: S608 - fixed text
        key,
    ).fetchone()
    return _record(row) if row else None


def scan(
    connection: sqlite3.Connection, after: Key, *, modules: bool, limit: int = -1
) -> Iterator[Record]:
    """Yield devices or modules that follow `after`, by id."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM identities WHERE (device_id, module_id) > (?, ?)"  # noqa: S608 - fixed text
        f" AND module_id {'<>' if modules else '='} '' ORDER BY device_id, module_id LIMIT ?",
        (*after, limit),
    )
    return map(_record, rows)


def modules_of(connection: sqlite3.Connection, device_id: str) -> list[Record]:
    """Return the modules of a device."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM identities WHERE device_id = ? AND module_id <> ''"  # noqa: S608 - fixed text
        " ORDER BY module_id",
        (device_id,),
    )
    return [_record(row) for row in rows]


def insert(tx: Transaction, record: Record) -> None:
    """Store a new identity with its twin."""
    tx.execute(
        "INSERT INTO identities (device_id, module_id, identity, twin) VALUES (?, ?, ?, ?)",
        *record.key,
        msgspec.json.encode(record.identity),
        msgspec.json.encode(record.twin),
    )


def save_identity(tx: Transaction, key: Key, identity: Identity) -> None:
    """Overwrite an identity."""
    tx.execute(
        "UPDATE identities SET identity = ? WHERE device_id = ? AND module_id = ?",
        msgspec.json.encode(identity),
        *key,
    )


def save_twin(tx: Transaction, key: Key, twin: Twin) -> None:
    """Overwrite a twin."""
    tx.execute(
        "UPDATE identities SET twin = ? WHERE device_id = ? AND module_id = ?",
        msgspec.json.encode(twin),
        *key,
    )


def delete(tx: Transaction, key: Key) -> None:
    """Remove an identity; a device takes its modules along."""
    modules = "" if key.module_id else " OR device_id = ?"
    names = key if key.module_id else (*key, key.device_id)
    for table in ("identities", "applied_configurations"):
        tx.execute(
            f"DELETE FROM {table} WHERE (device_id = ? AND module_id = ?){modules}",  # noqa: S608 - fixed text
            *names,
        )


def identity_view(record: Record) -> Json:
    """Return the identity as the registry API shows it."""
    identity, key = record.identity, record.key
    view: Json = {
        "deviceId": key.device_id,
        "generationId": identity.generation_id,
        "etag": identity.etag,
        "connectionState": _state(record),
        "connectionStateUpdatedTime": record.connection_updated,
        "lastActivityTime": record.last_activity,
        "cloudToDeviceMessageCount": 0,
        "authentication": msgspec.to_builtins(identity.authentication),
    }
    if key.module_id:
        return view | {"moduleId": key.module_id, "managedBy": identity.managed_by}
    view |= {
        "status": identity.status,
        "statusReason": identity.status_reason,
        "statusUpdatedTime": identity.status_updated,
        "capabilities": {"iotEdge": identity.iot_edge},
    }
    if identity.device_scope:
        view |= {"deviceScope": identity.device_scope, "parentScopes": identity.parent_scopes}
    return view


def twin_view(record: Record) -> Json:
    """Return the twin document as the service API shows it."""
    identity, key = record.identity, record.key
    ids: Json = {"deviceId": key.device_id}
    if key.module_id:
        ids["moduleId"] = key.module_id
    return ids | {
        "deviceEtag": identity.etag,
        "status": identity.status,
        "statusReason": identity.status_reason,
        "statusUpdateTime": identity.status_updated,
        "connectionState": _state(record),
        "lastActivityTime": record.last_activity,
        "cloudToDeviceMessageCount": 0,
        "authenticationType": identity.authentication.type,
        "x509Thumbprint": msgspec.to_builtins(identity.authentication.x509_thumbprint),
        "modelId": record.model_id,
        "capabilities": {"iotEdge": identity.iot_edge},
        **document(record.twin),
    }


def _state(record: Record) -> str:
    return "Connected" if record.connected else "Disconnected"


def _record(row: tuple[Any, ...]) -> Record:
    device_id, module_id, identity, twin, model_id, connected, updated, activity = row
    return Record(
        key=Key(device_id, module_id),
        identity=_identities.decode(identity),
        twin=_twins.decode(twin),
        model_id=model_id,
        connected=bool(connected),
        connection_updated=updated,
        last_activity=activity,
    )
