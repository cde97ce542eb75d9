from __future__ import annotations

import asyncio

import pytest

from local.cloud.serving import run_until_one_ends


async def _fail() -> None:
    raise ZeroDivisionError


async def _end() -> None:
    return


async def test_the_others_are_cancelled_when_one_part_ends() -> None:
    cleaned = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    await run_until_one_ends(wait(), _end())

    assert cleaned.is_set()


async def test_a_failure_is_raised_and_not_wrapped() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_until_one_ends(asyncio.Event().wait(), _fail())  # type: ignore[arg-type]


async def test_a_failure_during_the_end_of_the_others_is_raised() -> None:
    async def fail_late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await _fail()

    with pytest.raises(ZeroDivisionError):
        await run_until_one_ends(fail_late(), _end())
