"""What the command line and the environment say of the target of a command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.local_stack import LocalStack
from odu_cli.target import ServiceTarget
from odu_cli.tokens import TOKEN_VARIABLE, EntraTokens, GivenToken, IssuerTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SCOPE = "https://api.adu.microsoft.com/.default"
DEFAULT_STATE = Path(".odu")


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What the command line says of the target; `endpoint` is None for a local stack."""

    state: Path = DEFAULT_STATE
    endpoint: str | None = None
    instance: str | None = None
    scope: str = DEFAULT_SCOPE

    @property
    def is_local(self) -> bool:
        """Whether it is a stack of this machine."""
        return self.endpoint is None

    @property
    def token_hint(self) -> str:
        """How to get a better token."""
        if os.environ.get(TOKEN_VARIABLE):
            return f"It comes from {TOKEN_VARIABLE}: set that anew, or unset it."
        return "" if self.is_local else "Sign in again, for example with: az login"

    def stack(self) -> LocalStack:
        """The local stack.

        Raises:
            NotRunning: It is not up.
        """
        return LocalStack.load(self.state)

    def resolve(self, environment: Mapping[str, str] = os.environ) -> ServiceTarget:
        """The target.

        Raises:
            NotRunning: The local stack is not up.
            Refused: The options do not name an instance.
        """
        given = environment.get(TOKEN_VARIABLE)
        if self.endpoint is None:
            stack = self.stack()
            return ServiceTarget(
                endpoint=stack.endpoint,
                instance=self.instance or stack.instance,
                tokens=GivenToken(given) if given else IssuerTokens(stack.tokens, stack.ca_file),
                ca_file=stack.ca_file,
            )
        if self.instance is None:
            raise Refused(ExitCode.USAGE, "--endpoint needs --instance ID")
        parts = urlsplit(self.endpoint)
        if parts.scheme != "https" or not parts.hostname:
            raise Refused(ExitCode.USAGE, "--endpoint must be an https:// URL")
        return ServiceTarget(
            endpoint=f"https://{parts.netloc}{parts.path.rstrip('/')}",
            instance=self.instance,
            tokens=GivenToken(given) if given else EntraTokens(self.scope),
        )
