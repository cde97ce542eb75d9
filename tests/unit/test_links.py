"""Links that are signed by a key of the app's identity, and copies by such links."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import UserDelegationKey

from shared.adapters import blobs as adapter
from shared.adapters.blobs import AzureBlobs
from shared.domain.errors import DependencyFailed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Service:
    """Stands for the storage, which gives a key for each request and never ends a copy."""

    account_name = "acme"
    credential = None

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime]] = []
        self.aborted: list[str] = []

    async def get_user_delegation_key(self, start: datetime, expiry: datetime) -> Any:
        await asyncio.sleep(0)
        self.asked.append((start, expiry))
        key = UserDelegationKey()
        key.signed_oid = key.signed_tid = "00000000-0000-0000-0000-000000000000"
        key.signed_start, key.signed_expiry = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (start, expiry))
        key.signed_service, key.signed_version, key.value = "b", "2025-01-05", "a2V5"
        return key

    def get_blob_client(self, container: str, name: str) -> Any:
        url = f"https://acme.example/{container}/{name}"
        return SimpleNamespace(
            url=url,
            blob_name=name,
            start_copy_from_url=self._start,
            get_blob_properties=self._look,
            abort_copy=self._abort,
        )

    async def _start(self, url: str, **options: Any) -> dict[str, str]:
        return {"copy_status": "pending", "copy_id": "c1"}

    async def _look(self) -> Any:
        return SimpleNamespace(copy=SimpleNamespace(status="pending"))

    async def _abort(self, copy_id: str) -> None:
        self.aborted.append(copy_id)


class _Accounts:
    def __init__(self) -> None:
        self.blobs = _Service()


async def test_one_key_signs_many_links_and_is_renewed_in_time() -> None:
    accounts = _Accounts()
    blobs = AzureBlobs(accounts, link_hours=24)  # type: ignore[arg-type]

    async def keys(start: datetime) -> list[Any]:
        asks = (blobs._delegation_key(start, start + timedelta(days=1)) for _ in range(20))
        return await asyncio.gather(*asks)

    first, later = await keys(NOW), await keys(NOW + timedelta(days=4))
    renewed = await keys(NOW + timedelta(days=5, hours=1))

    assert len({id(key) for key in [*first, *later]}) == 1
    assert len({id(key) for key in renewed}) == 1
    assert len(accounts.blobs.asked) == 2
    assert all(until - start <= timedelta(days=7) for start, until in accounts.blobs.asked)


async def test_many_links_ask_for_one_key_and_say_no_more_than_they_must() -> None:
    """Every byte of a link counts: a twin holds 32 KB."""
    accounts = _Accounts()
    blobs = AzureBlobs(accounts, link_hours=24)  # type: ignore[arg-type]

    links = [await blobs.link("content", f"factory/{number}") for number in range(20)]

    assert len(accounts.blobs.asked) == 1
    for link in links:
        said = parse_qs(urlsplit(link).query).keys()
        of_the_key = {"skoid", "sktid", "skt", "ske", "sks", "skv"}
        assert said == {"se", "sp", "sv", "sr", "sig", *of_the_key}


async def test_copy_that_never_ends_is_given_up_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "_COPY_POLL_SECONDS", 0)
    monkeypatch.setattr(adapter, "_COPY_SECONDS", 0.05)
    accounts = _Accounts()
    blobs = AzureBlobs(accounts, link_hours=24)  # type: ignore[arg-type]

    with pytest.raises(DependencyFailed, match="ended as 'pending'") as given_up:
        async with asyncio.timeout(60):
            await blobs.copy(("quarantine", "factory/o/0/0"), ("content", "factory/abc"))

    assert given_up.value.retryable
    assert accounts.blobs.aborted == ["c1"]
