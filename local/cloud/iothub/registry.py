"""Operations on identities: they run inside one transaction and write its events.

Rules are those of the registry API: creating needs no ETag and fails when the identity exists,
updating and deleting compare it.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError, invalid, precondition_failed
from local.cloud.iothub.records import (
    Authentication,
    Identity,
    Key,
    Record,
    SymmetricKey,
    delete,
    find,
    insert,
    load,
    modules_of,
    new_etag,
    save_identity,
)
from local.cloud.iothub.twin import new_twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.iothub.events import Outlet
    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

_ID = re.compile(r"[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}", re.ASCII)
_TYPES = ("sas", "selfSigned", "certificateAuthority", "none")
_STATUSES = ("enabled", "disabled")


def check_key(device_id: str, module_id: str = "") -> Key:
    """Return the key of an identity.

    Raises:
        HubError: 400, an id has characters or a length that IoT Hub does not allow.
    """
    for name, value in (("device", device_id), ("module", module_id or "-")):
        if not _ID.fullmatch(value):
            raise invalid(f"{value[:140]!r} is not a valid {name} id.")
    return Key(device_id, module_id)


def matches(if_match: str | None, etag: str) -> bool:
    """Tell whether an If-Match header admits the document with this ETag."""
    wanted = (if_match or "*").removeprefix("W/").strip('"')
    return wanted in ("*", etag)


@dataclass(frozen=True, slots=True)
class Registry:
    """Creates, updates and deletes identities.

    Args:
        outlet: is told of what happens.
        disconnect: closes the connection of an identity that may no longer have one.
    """

    outlet: Outlet
    disconnect: Callable[[Key], None]

    def put(self, tx: Transaction, key: Key, body: Json, if_match: str | None) -> Record:
        """Create an identity, or update it when an ETag is given.

        Raises:
            HubError: 400, 404, 409 or 412.
        """
        if body.get("deviceId", key.device_id) != key.device_id:
            raise invalid("deviceId of the body differs from that of the address.")
        if body.get("moduleId", key.module_id) not in (key.module_id, None):
            raise invalid("moduleId of the body differs from that of the address.")
        if if_match is None:
            return self.create(tx, key, body)
        return self.update(tx, key, body, if_match)

    def create(self, tx: Transaction, key: Key, body: Json) -> Record:
        """Create an identity with an empty twin.

        Raises:
            HubError: 400, 404 (a module without its device) or 409.
        """
        if find(tx.connection, key):
            code = "ModuleAlreadyExistsOnDevice" if key.module_id else "DeviceAlreadyExists"
            raise HubError(409, code, f"{key} is already registered.")
        if key.module_id:
            load(tx.connection, Key(key.device_id))
            if len(modules_of(tx.connection, key.device_id)) >= limits.MODULES_PER_DEVICE:
                raise HubError(403, "TooManyModulesOnDevice", f"{key.device_id} has 50 modules.")
        blank = Identity(str(secrets.randbelow(10**18)), "", Authentication())
        record = Record(key, _changed(blank, body), new_twin(tx.now))
        insert(tx, record)
        self.outlet.identity_created(tx, record)
        return record

    def update(self, tx: Transaction, key: Key, body: Json, if_match: str | None) -> Record:
        """Change an identity.

        Raises:
            HubError: 400, 404 or 412.
        """
        record = load(tx.connection, key)
        _require_match(if_match, record)
        identity = _changed(record.identity, body)
        if identity.status != record.identity.status:
            identity = msgspec.structs.replace(identity, status_updated=tx.now)
        save_identity(tx, key, identity)
        if identity.status == "disabled":
            tx.after_commit(lambda: self.disconnect(key))
        return record._replace(identity=identity)

    def delete(self, tx: Transaction, key: Key, if_match: str | None) -> None:
        """Delete an identity; a device takes its modules along.

        Raises:
            HubError: 404 or 412.
        """
        record = load(tx.connection, key)
        _require_match(if_match, record)
        gone = [record, *(modules_of(tx.connection, key.device_id) if not key.module_id else ())]
        delete(tx, key)
        # that its modules went with a device is not told
        self.outlet.identity_deleted(tx, record)

        def disconnect() -> None:
            for each in gone:
                self.disconnect(each.key)

        tx.after_commit(disconnect)


def _require_match(if_match: str | None, record: Record) -> None:
    if not matches(if_match, record.identity.etag):
        raise precondition_failed(if_match or "")


def _changed(identity: Identity, body: Json) -> Identity:
    status = body.get("status") or "enabled"
    if status not in _STATUSES:
        raise invalid(f"status {status!r} is neither 'enabled' nor 'disabled'.")
    capabilities = body.get("capabilities") or {}
    changes = {
        "etag": new_etag(),
        "status": status,
        "status_reason": body.get("statusReason"),
        "authentication": _authentication(body.get("authentication"), identity.authentication),
        "iot_edge": bool(capabilities.get("iotEdge")) if isinstance(capabilities, dict) else False,
        "device_scope": body.get("deviceScope"),
        "parent_scopes": body.get("parentScopes") or [],
        "managed_by": body.get("managedBy"),
    }
    try:
        return msgspec.convert(msgspec.to_builtins(identity) | changes, Identity)
    except msgspec.ValidationError as error:
        raise invalid(f"The identity is malformed: {error}.") from error


def _authentication(body: object, present: Authentication) -> Json:
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    try:
        given = msgspec.convert(body or {}, Authentication)
    except msgspec.ValidationError as error:
        raise invalid(f"authentication is malformed: {error}.") from error
    if given.type not in _TYPES:
        raise invalid(f"authentication.type {given.type!r} is not one of {', '.join(_TYPES)}.")
    if given.type == "sas":
        old = present.symmetric_key
        keys = SymmetricKey(
            _key(given.symmetric_key.primary_key or old.primary_key),
            _key(given.symmetric_key.secondary_key or old.secondary_key),
        )
        given = msgspec.structs.replace(given, symmetric_key=keys)
    built: Json = msgspec.to_builtins(given)
    return built


def _key(key: str | None) -> str:
    if key is None:
        return base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error as error:
        raise invalid("A symmetric key is not base64.") from error
    if not 16 <= size <= 64:
        raise invalid("A symmetric key must have 16 to 64 bytes.")
    return key
