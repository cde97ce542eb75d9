"""A running stack as programs see it: its description, tokens for its API, and how to start one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from local.stack.errors import NotRunning, StackError
from local.stack.logs import tail
from local.stack.roles import role_claim
from local.stack.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).parents[2]
STOP_SECONDS = 60.0
"""Longest that an orderly stop takes; the supervisor itself is killed after it."""


class Hub(msgspec.Struct, frozen=True):
    """The hub of one instance."""

    connection_string: str
    port: int

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return f"Hub(port {self.port})"


class TokenClient(msgspec.Struct, frozen=True, kw_only=True):
    """The token endpoint of the issuer and a client that it lets in, for the command line."""

    endpoint: str = ""
    client_id: str = ""
    client_secret: str = ""
    scope: str = ""

    def __repr__(self) -> str:
        """Keep the secret out of logs."""
        return f"TokenClient({self.endpoint})"


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """What `stack.json` says of a running stack. Holds secrets: never print it."""

    endpoint: str
    """Base URL of the REST API."""
    instance: str
    ca_file: str
    """Certificate of the authority that every server certificate of the stack comes from."""
    iot_hub_connection_string: str
    storage_connection_string: str
    event_grid_topic_endpoint: str
    event_grid_topic_key: str
    import_drop_container: str
    console_url: str | None
    pids: dict[str, int]
    """Process ids: `supervisor` and the parts."""
    ports: dict[str, int]
    """Loopback ports by part; those of Azurite are `blob`, `queue` and `table`."""
    state: str
    """The state directory."""
    roots_file: str
    """The root keys to build agents with."""
    tokens: TokenClient
    token_issuer: str
    token_audience: str
    token_tenant: str
    event_grid_endpoint: str
    event_grid_admin_key: str
    host_master_key: str
    identity_admin_key: str
    hubs: dict[str, Hub]
    """By instance."""

    def __repr__(self) -> str:
        """Keep the secrets out of logs."""
        return f"Stack({self.endpoint})"

    @classmethod
    def load(cls, state: Path) -> Self:
        """Read the description of the stack with that state directory.

        Raises:
            NotRunning: there is none that is up.
        """
        try:
            return msgspec.json.decode((state / "stack.json").read_bytes(), type=cls)
        except FileNotFoundError:
            raise NotRunning(f"no stack is up in {state}; start one: ./odu up") from None
        except msgspec.DecodeError as error:
            raise NotRunning(f"{state / 'stack.json'} is damaged: {error}") from error

    def of(self, instance: str) -> Self:
        """Return the same stack, seen from another of its instances."""
        hub = self.hubs[instance]
        return msgspec.structs.replace(
            self, instance=instance, iot_hub_connection_string=hub.connection_string
        )

    @property
    def hub_port(self) -> int:
        """The port of the instance's hub."""
        return self.hubs[self.instance].port

    def to_json(self) -> bytes:
        """Return the content of `stack.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def token(
        self,
        *roles: str,
        instance: str | None = None,
        subject: str = "local-user",
        lifetime_seconds: int = 3600,
    ) -> str:
        """Return an access token with some roles (none named: Administrator).

        Raises:
            ValueError: there is no such role.
        """
        claims = [role_claim(role, instance) for role in roles or ("Administrator",)]
        from local.cloud.identity.tokens import (
            mint,  # loads cryptography: only who wants a token waits
        )

        return mint(
            Path(self.state) / "identity",
            issuer=self.token_issuer,
            audience=self.token_audience,
            tenant=self.token_tenant,
            roles=claims,
            subject=subject,
            lifetime_seconds=lifetime_seconds,
        )


@contextmanager
def start(
    state: Path | None = None,
    *,
    options: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Run a stack of one's own for as long as the context lasts; it cannot outlive this process.

    Args:
        state: its state directory; a temporary one if None.
        options: further options of `./odu up`.
        settings: further variables of its environment.

    Raises:
        StackError: it does not come up; the message has the reason.
    """
    if state is None:
        with (
            tempfile.TemporaryDirectory(prefix="odu-") as directory,
            start(Path(directory), options=options, settings=settings) as stack,
        ):
            yield stack
        return
    with _supervisor(StateDirectory(state.resolve()), options, settings or {}) as process:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("ready "):
            code = process.wait()
            log = tail(state / "log" / "supervisor.log", lines=40)
            raise StackError(f"the stack did not come up (exit code {code}):\n{log}")
        yield Stack.load(state)


def up_command(state: StateDirectory, options: Sequence[str]) -> list[str]:
    """Return the command that runs a supervisor in the foreground."""
    return [sys.executable, "-P", "-m", "local.cli", "up", "--state", str(state.path), *options]


def import_path() -> dict[str, str]:
    """Return this environment, with our packages where Python looks for modules."""
    ours = (str(REPOSITORY), str(REPOSITORY / "cli"))
    path = os.pathsep.join(filter(None, (*ours, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


@contextmanager
def _supervisor(
    state: StateDirectory, options: Sequence[str], settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    state.create()
    with (state.log / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            up_command(state, ["--leash", *options]),
            env={**import_path(), **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
