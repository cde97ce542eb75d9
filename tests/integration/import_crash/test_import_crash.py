"""An import ends in one complete published update wherever its worker dies."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable

import pytest

from shared.domain.operation import OperationStatus
from tests.integration.import_crash.case import Case
from tests.integration.import_crash.worker import BLOCK_BYTES, a_worker
from tests.packages import Package, make_package

LARGE = random.Random(5).randbytes(2 * BLOCK_BYTES + 1)
SMALL = b"#!/bin/sh\n"


def single() -> Package:
    return make_package("model", name="single", files={"install.sh": SMALL, "large.bin": LARGE})


def child() -> Package:
    return make_package("part", name="child", files={"same.sh": SMALL}, isDeployable=False)


def parent() -> Package:
    package = make_package("model", name="parent", files={"install.sh": SMALL, "large.bin": LARGE})
    reference = {"type": "reference", "updateId": child().update_id}
    package.document["instructions"]["steps"].append(reference)
    return package


async def one_by_url(case: Case) -> None:
    case.import_by_url(single())


async def parent_and_child_by_url(case: Case) -> None:
    case.import_by_url(parent(), child())


async def one_by_drop(case: Case) -> None:
    await case.drop(single())


async def parent_by_drop(case: Case) -> None:
    """Its child was imported before."""
    case.import_by_url(child())
    assert case.ask is not None
    case.storage.mortality.begin()
    worker = a_worker(case.storage.counted, case.instance, case.clock, case.storage.mortality)
    await case.ask(worker)
    await case.host.run(worker)
    case.ask = None
    await case.drop(parent())


async def crash_at(
    a_case: Callable[[], Case],
    prepare: Callable[[Case], Awaitable[None]],
    choose: Callable[[int, int], Iterable[int]],
) -> None:
    """Import without a crash, then with one at each of the calls chosen of those of the fetch stage
    and of all.
    """
    whole = a_case()
    await prepare(whole)
    calls = await whole.run()
    await whole.assert_published()
    assert calls > whole.host.calls_of_fetch > 10

    for call in choose(whole.host.calls_of_fetch, calls):
        case = a_case()
        await prepare(case)
        await case.run(call)
        await case.assert_published()


async def test_import_of_parent_and_child_is_complete_wherever_its_worker_dies(
    a_case: Callable[[], Case],
) -> None:
    await crash_at(a_case, parent_and_child_by_url, lambda _, calls: range(1, calls + 1))


async def test_dropped_parent_is_complete_wherever_its_worker_dies_in_the_fetch(
    a_case: Callable[[], Case],
) -> None:
    """What follows the fetch knows no drop but in its report, made by the last calls."""
    await crash_at(
        a_case,
        parent_by_drop,
        lambda fetch, calls: [*range(1, fetch + 1), *range(calls - 12, calls + 1)],
    )


@pytest.mark.parametrize("prepare", [one_by_url, one_by_drop])
async def test_import_of_one_is_complete_after_a_crash(
    a_case: Callable[[], Case], prepare: Callable[[Case], Awaitable[None]]
) -> None:
    """All its calls are among those of a parent and its child."""
    await crash_at(a_case, prepare, lambda _, calls: range(3, calls + 1, 9))


async def test_import_that_must_fail_fails_once_wherever_its_worker_dies(
    a_case: Callable[[], Case],
) -> None:
    def prepared() -> Case:
        case = a_case()
        case.import_by_url(single())
        case.publisher.put(f"{case.instance}/single/install.sh", SMALL.replace(b"sh", b"zz"))
        return case

    calls = await prepared().run()
    assert calls > 10

    for call in range(1, calls + 1):
        case = prepared()
        await case.run(call)
        assert await case.operations() == [OperationStatus.FAILED]
        assert await case.updates() == []
        await case.assert_nothing_is_left(set())


async def test_file_is_fetched_on_from_the_block_where_its_worker_died(
    a_case: Callable[[], Case],
) -> None:
    offsets = set()

    for call in range(16, 32, 3):
        case = a_case()
        case.import_by_url(single())
        await case.run(call)
        path = f"{case.instance}/single/large.bin"
        offsets |= {offset for name, offset in case.publisher.offsets if name == path}

    assert offsets >= {0, BLOCK_BYTES}
