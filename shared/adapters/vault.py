"""Signing with a key in Azure Key Vault: the private half never leaves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from shared.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.keys.crypto.aio import CryptographyClient

_RETRIES = 3
_REFUSALS = {
    401: "it does not accept the service's identity",
    403: "the key is disabled or expired, or the service's identity lacks the role "
    "'Key Vault Crypto User'",
    404: "there is no such version of the key",
}


class KeyVaultSigner:
    """Implements `ports.Signer`; a key is named `name/version`.

    Args:
        vault_url: Base URL of the vault.
        credential: Makes the service's identity.
        options: Further options of the SDK's client.
    """

    def __init__(self, vault_url: str, credential: Callable[[], Any], **options: Any) -> None:
        self._vault_url = vault_url.rstrip("/")
        self._credential = credential
        self._options = {"retry_total": _RETRIES, **options}
        self._clients: dict[str, CryptographyClient] = {}

    async def sign(self, key: str, digest: bytes) -> bytes:
        """See the port."""
        from azure.keyvault.keys.crypto import SignatureAlgorithm

        async with _translated(key):
            result = await self._client(key).sign(SignatureAlgorithm.rs256, digest)
            return result.signature

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def _client(self, key: str) -> CryptographyClient:
        if key not in self._clients:
            from azure.keyvault.keys.crypto.aio import CryptographyClient

            name, _, version = key.partition("/")
            if not name or not version or "/" in version:
                raise DependencyFailed(
                    f"The keyring names the key '{key}'; in a vault it must be 'name/version'.",
                    retryable=False,
                )
            self._clients[key] = CryptographyClient(
                f"{self._vault_url}/keys/{key}", self._credential(), **self._options
            )
        return self._clients[key]


@asynccontextmanager
async def _translated(key: str) -> AsyncIterator[None]:
    """Turn what the SDK raises into the domain's errors.

    Raises:
        DependencyFailed: Retryable where the vault is busy or out of reach.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError as error:
        raise _refused(key, 401) from error
    except HttpResponseError as error:
        raise _of_status(key, error) from error
    except AzureError as error:
        raise DependencyFailed("Key Vault cannot be reached.") from error
    except ValueError as error:  # the SDK keeps the identity's token from strangers
        raise DependencyFailed(
            f"What answers for Key Vault is none: {error}", retryable=False
        ) from error


def _of_status(key: str, error: HttpResponseError) -> DependencyFailed:
    status = error.status_code or 0
    if status in _REFUSALS:
        return _refused(key, status)
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    wait = headers.get("Retry-After", "")
    return DependencyFailed(
        f"Key Vault answered {status} when asked to sign with '{key}'.",
        retryable=status == 429 or status >= 500 or status == 0,
        retry_after=float(wait) if wait.isdigit() else None,
    )


def _refused(key: str, status: int) -> DependencyFailed:
    return DependencyFailed(
        f"Key Vault refuses to sign with '{key}' ({status}): {_REFUSALS[status]}.", retryable=False
    )
