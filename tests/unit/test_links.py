"""Links that are signed by a key of the app's identity."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import UserDelegationKey

from shared.adapters.blobs import AzureBlobs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Service:
    """Stands for the storage, which gives a key for each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime]] = []

    async def get_user_delegation_key(self, start: datetime, expiry: datetime) -> Any:
        await asyncio.sleep(0)
        self.asked.append((start, expiry))
        return UserDelegationKey()


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
