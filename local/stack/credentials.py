"""Random keys between the parts of one stack: made at the first start, kept in its state."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

import msgspec

from local.stack.errors import StackError
from local.stack.state import StateDirectory, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable


def _key() -> str:
    """Return 256 random bits in standard base64, the form of storage and IoT Hub keys."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _url_safe_key() -> str:
    return secrets.token_urlsafe(32)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


class HubKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a hub's access policies."""

    owner: str = msgspec.field(default_factory=_key)
    service: str = msgspec.field(default_factory=_key)

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return "HubKeys(...)"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets of one stack; the host keys are those of the Functions host."""

    storage: str = msgspec.field(default_factory=_key)
    hubs: dict[str, HubKeys] = msgspec.field(default_factory=dict)
    """By instance."""
    event_grid: str = msgspec.field(default_factory=_key)
    event_grid_admin: str = msgspec.field(default_factory=_url_safe_key)
    identity_admin: str = msgspec.field(default_factory=_url_safe_key)
    identity_client: str = msgspec.field(default_factory=_url_safe_key)
    """The secret of the command line at the token issuer."""
    source_url: str = msgspec.field(default_factory=_fernet_key)
    host_master: str = msgspec.field(default_factory=_url_safe_key)
    host_default: str = msgspec.field(default_factory=_url_safe_key)
    host_event_grid: str = msgspec.field(default_factory=_url_safe_key)
    host_blobs: str = msgspec.field(default_factory=_url_safe_key)

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return "Credentials(...)"

    def hub(self, instance: str) -> HubKeys:
        """Return the keys of an instance's hub."""
        return self.hubs[instance]


def ensure_credentials(state: StateDirectory, instances: Iterable[str]) -> Credentials:
    """Return the stack's credentials and write the host's key file; make what is missing.

    Raises:
        StackError: the file is damaged.
    """
    path = state.path / "credentials.json"
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        stored = Credentials()
    except msgspec.DecodeError as error:
        raise StackError(f"{path} is damaged: {error}") from error
    for instance in instances:
        stored.hubs.setdefault(instance, HubKeys())
    write_private(path, msgspec.json.encode(stored))
    write_private(state.host_keys, json.dumps(_host_keys(stored), indent=2).encode())
    return stored


def _host_keys(credentials: Credentials) -> dict[str, object]:
    return {
        "master": credentials.host_master,
        "host": {"default": credentials.host_default},
        "system": {
            "eventgrid_extension": credentials.host_event_grid,
            "blobs_extension": credentials.host_blobs,
        },
    }
