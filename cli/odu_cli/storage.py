"""The storage of a service, for the commands about keys: they need more than its REST API."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.local_stack import LocalStack

CONTENT_VARIABLES = ["CONTENT_BLOB_URI", "CONTENT__blobServiceUri"]
"""Outputs of the deployment, as `azd env get-values` prints them; settings of the service."""
QUEUES_VARIABLES = ["STATE_QUEUE_URI", "STATE__queueServiceUri"]


@dataclass(frozen=True, slots=True)
class ServiceStorage:
    """Two storage accounts: content (blobs), and state (queues and tables).

    A local stack has one account for both, and a connection string. In Azure they are reached by
    URL with the operator's own identity.
    """

    connection_string: str | None = field(default=None, repr=False)
    content_url: str = ""
    """Blob endpoint of the content account."""
    queues_url: str = ""
    """Queue endpoint of the state account."""

    def credential(self) -> Any:
        """The operator's identity, for blocking SDK clients; None with a connection string."""
        if self.connection_string is not None:
            return None
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """What the command line says of the storage."""

    state: Path = Path(".odu")
    is_azure: bool = False
    content_url: str = ""
    queues_url: str = ""

    def stack(self) -> LocalStack:
        """The local stack.

        Raises:
            NotRunning: It is not up.
        """
        return LocalStack.load(self.state)

    def resolve(self) -> ServiceStorage:
        """The storage.

        Raises:
            NotRunning: The local stack is not up.
            Refused: An address is missing, or is not one.
        """
        if not self.is_azure:
            return ServiceStorage(self.stack().storage_connection_string)
        for option, url, variable in (
            ("--content", self.content_url, CONTENT_VARIABLES[0]),
            ("--queues", self.queues_url, QUEUES_VARIABLES[0]),
        ):
            check_address(option, url, variable)
        return ServiceStorage(content_url=self.content_url, queues_url=self.queues_url)


def check_address(option: str, url: str, variable: str) -> None:
    """Let the address of a server pass that is needed with `--azure`.

    Raises:
        Refused: It is missing, or is not an https:// URL.
    """
    if not url:
        raise Refused(
            ExitCode.USAGE, f"--azure needs {option} URL, or {variable} in the environment"
        )
    if not url.startswith("https://"):
        raise Refused(ExitCode.USAGE, f"{option} must be an https:// URL")
