"""A local stack as its `stack.json` describes it: all that a command needs to know of it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class NotRunning(Exception):
    """There is no running stack in the given state directory."""


class TokenClient(msgspec.Struct, frozen=True, kw_only=True):
    """The token endpoint of the stack's issuer, and a client that it lets in."""

    endpoint: str
    client_id: str
    client_secret: str
    scope: str

    def __repr__(self) -> str:
        """Keep the secret out of logs."""
        return f"TokenClient({self.endpoint})"


class LocalStack(msgspec.Struct, frozen=True, kw_only=True):
    """A running stack. Holds secrets: never print it. Members that are not here are ignored."""

    endpoint: str
    """Base URL of the REST API."""
    instance: str
    """The instance that commands go to, unless they name another."""
    ca_file: str
    """Certificate of the authority to trust."""
    tokens: TokenClient
    storage_connection_string: str
    import_drop_container: str
    state: str
    """The state directory."""

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return f"LocalStack({self.endpoint})"

    @classmethod
    def load(cls, state: Path) -> LocalStack:
        """Read the description of the stack with that state directory.

        Raises:
            NotRunning: There is none that is up.
        """
        try:
            return msgspec.json.decode((state / "stack.json").read_bytes(), type=cls)
        except FileNotFoundError:
            raise NotRunning(
                f"no stack is up in {state}; start one in a checkout (./odu up), "
                "or name a service: --endpoint URL --instance ID"
            ) from None
        except msgspec.DecodeError as error:
            raise NotRunning(f"{state / 'stack.json'} is damaged: {error}") from error
