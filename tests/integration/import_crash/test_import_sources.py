"""Sources in the service's own account, and the same bytes from two sources at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.domain.operation import Failure, OperationStatus
from tests.integration.import_crash.case import Case
from tests.integration.import_crash.worker import BLOCK_BYTES, a_worker
from tests.packages import make_package

LARGE = random.Random(7).randbytes(5 * BLOCK_BYTES)


async def own_source(case: Case, content: bytes, *, signed: bool) -> None:
    """Ask for an import whose file is a private blob of the service's own account."""
    package = make_package("model", name="own", files={"large.bin": LARGE})
    url = await case.stored(content)
    case.import_by_url(package, links={"large.bin": url if signed else url.partition("?")[0]})


async def failure(case: Case) -> Failure:
    page = await TableOperations(Table(case.bare, "Operations")).list(case.instance, None)
    (stored,) = page.items
    assert stored.value.failure is not None
    return stored.value.failure


async def test_file_in_the_own_account_is_copied_by_the_storage(
    a_case: Callable[[], Case],
) -> None:
    case = a_case()
    await own_source(case, LARGE, signed=True)

    before = case.storage.mortality.blocks
    await case.run()

    await case.assert_published()
    assert case.storage.mortality.blocks == before


async def test_file_in_the_own_account_is_not_read_for_whoever_may_not(
    a_case: Callable[[], Case],
) -> None:
    case = a_case()
    await own_source(case, LARGE, signed=False)

    await case.run()

    assert await case.operations() == [OperationStatus.FAILED]
    assert (await failure(case)).code == "CannotProcessUpdateFile"
    await case.assert_nothing_is_left(set())


async def test_copied_file_is_refused_when_its_hash_is_another(
    a_case: Callable[[], Case],
) -> None:
    case = a_case()
    await own_source(case, LARGE[:-1] + b"?", signed=True)

    await case.run()

    inner = (await failure(case)).inner
    assert inner is not None
    assert inner.code == "HashMismatch"
    await case.assert_nothing_is_left(set())


async def test_same_bytes_are_stored_once_when_they_are_imported_side_by_side(
    a_case: Callable[[], Case],
) -> None:
    case = a_case()
    worker = a_worker(case.storage.counted, case.instance, case.clock, case.storage.mortality)
    case.storage.mortality.begin()
    for number in range(4):
        case.import_by_url(make_package(f"twin{number}", files={"same.bin": LARGE}))
        assert case.ask is not None
        await case.ask(worker)
    started = [item.operation_id for item in await case.all_operations()]

    for run in (worker.fetch.run, worker.scan.run, worker.publish.run):
        await asyncio.gather(*(run(case.instance, identity) for identity in started))
    await case.host.run(worker)

    await case.assert_published()
    assert len(await case.blobs("content")) == 1
