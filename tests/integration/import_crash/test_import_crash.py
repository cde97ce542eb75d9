"""An import ends in one complete published update wherever its worker dies.

Every call of a story is tried; a story comes in parts, so that they can run side by side.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable

import pytest

from shared.domain.operation import OperationStatus
from tests.integration.import_crash.case import Case
from tests.integration.import_crash.worker import BLOCK_BYTES
from tests.packages import Package, make_package

LARGE = random.Random(5).randbytes(2 * BLOCK_BYTES + 1)
SMALL = b"#!/bin/sh\n"
LAST_CALLS = 12
"""The last calls of an import, among them all that report on a drop."""

type Prepare = Callable[[Case], Awaitable[None]]


def in_parts(count: int) -> pytest.MarkDecorator:
    """Which of the calls, by their number."""
    return pytest.mark.parametrize(
        "part", [slice(at, None, count) for at in range(count)], ids=lambda part: str(part.start)
    )


def single() -> Package:
    return make_package("model", name="single", files={"install.sh": SMALL, "large.bin": LARGE})


def child() -> Package:
    return make_package("part", name="child", files={"same.sh": SMALL}, isDeployable=False)


def parent() -> Package:
    package = make_package("model", name="parent", files={"install.sh": SMALL, "large.bin": LARGE})
    reference = {"type": "reference", "updateId": child().update_id}
    package.document["instructions"]["steps"].append(reference)
    return package


async def parent_and_child_by_url(case: Case) -> None:
    """In one request; the child's file lies in the service's own account."""
    case.import_by_url(parent(), child(), links={"same.sh": await case.stored(SMALL)})


async def parent_and_child_by_drop(case: Case) -> None:
    """Together, the parent first, so that it has to wait."""
    await case.drop(parent())
    await case.drop(child())


async def wrong_by_url(case: Case) -> None:
    case.import_by_url(single())
    case.publisher.put(f"{case.instance}/single/install.sh", SMALL.replace(b"sh", b"zz"))


async def wrong_in_own_account(case: Case) -> None:
    url = await case.stored(LARGE[:-1] + b"?")
    case.import_by_url(single(), links={"large.bin": url})


async def a_whole(case: Case, prepare: Prepare) -> int:
    """Import without a crash; how many calls that takes."""
    await prepare(case)
    calls = await case.run()
    await case.assert_published()
    return calls


async def crash_at(a_case: Callable[[], Case], prepare: Prepare, calls: Iterable[int]) -> None:
    """Import again and again, with a crash at each of these calls."""
    for call in calls:
        case = a_case()
        await prepare(case)
        await case.run(call)
        await case.assert_published()


@in_parts(4)
async def test_import_of_parent_and_child_is_complete_wherever_its_worker_dies(
    a_case: Callable[[], Case], part: slice
) -> None:
    calls = await a_whole(a_case(), parent_and_child_by_url)

    await crash_at(a_case, parent_and_child_by_url, range(1, calls + 1)[part])


@in_parts(2)
async def test_import_at_once_is_complete_wherever_its_worker_dies(
    a_case: Callable[[], Case], part: slice
) -> None:
    def a_prompt_case() -> Case:
        case = a_case()
        case.is_prompt = True
        return case

    calls = await a_whole(a_prompt_case(), parent_and_child_by_url)

    await crash_at(a_prompt_case, parent_and_child_by_url, range(1, calls + 1)[part])


@in_parts(3)
async def test_dropped_parent_that_waits_for_its_child_is_complete_wherever_its_worker_dies(
    a_case: Callable[[], Case], part: slice
) -> None:
    """What follows the fetch knows no drop but in its report, made by the last calls."""
    whole = a_case()
    calls = await a_whole(whole, parent_and_child_by_drop)
    assert whole.host.fetches == 3

    of_drop = whole.host.calls_of_fetch | set(range(calls - LAST_CALLS + 1, calls + 1))

    await crash_at(a_case, parent_and_child_by_drop, sorted(of_drop)[part])


@pytest.mark.parametrize("prepare", [wrong_by_url, wrong_in_own_account])
async def test_import_that_must_fail_fails_once_wherever_its_worker_dies(
    a_case: Callable[[], Case], prepare: Prepare
) -> None:
    whole = a_case()
    await prepare(whole)
    calls = await whole.run()
    assert calls > 10

    for call in range(1, calls + 1):
        case = a_case()
        await prepare(case)
        await case.run(call)
        (operation,) = await case.all_operations()
        assert operation.status is OperationStatus.FAILED
        assert operation.failure is not None
        assert operation.failure.inner is not None
        assert operation.failure.inner.code == "HashMismatch"
        assert await case.updates() == []
        await case.assert_nothing_is_left(set())


async def test_file_is_fetched_on_from_the_block_where_its_worker_died(
    a_case: Callable[[], Case],
) -> None:
    offsets, expected = set[int](), {0, BLOCK_BYTES}
    whole = a_case()
    whole.import_by_url(single())
    await whole.run()

    for call in sorted(whole.host.calls_of_fetch):
        case = a_case()
        case.import_by_url(single())
        await case.run(call)
        path = f"{case.instance}/single/large.bin"
        offsets |= {offset for name, offset in case.publisher.offsets if name == path}
        if offsets >= expected:
            break

    assert offsets >= expected
