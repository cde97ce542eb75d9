from __future__ import annotations

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_accepted_packages import TableAcceptedPackages
from shared.domain.errors import ConcurrentUpdate
from shared.ports import AcceptedPackages
from tests.fakes.updates import MemoryAcceptedPackages


@pytest.fixture(params=["memory", "tables"])
def packages(request: pytest.FixtureRequest) -> AcceptedPackages:
    if request.param == "memory":
        return MemoryAcceptedPackages()
    accounts: StorageAccounts = request.getfixturevalue("accounts")
    return TableAcceptedPackages(Table(accounts, "Recounts"))


async def test_a_package_is_accepted_only_over_the_one_that_was_read(
    packages: AcceptedPackages,
) -> None:
    assert await packages.get() is None
    await packages.save("one", None)
    with pytest.raises(ConcurrentUpdate):
        await packages.save("two", None)
    first = await packages.get()
    assert first is not None
    assert first.value == "one"

    await packages.save("two", first.etag)

    with pytest.raises(ConcurrentUpdate):
        await packages.save("three", first.etag)
    second = await packages.get()
    assert second is not None
    assert second.value == "two"
