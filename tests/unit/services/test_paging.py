"""Pages put together give the whole list, once and in order, however it is cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from shared.services.paging import MAX_BUCKETS_A_PAGE, page_of_buckets, page_of_sorted

ITEMS = st.dictionaries(st.text("abc", min_size=1), st.integers(0, 3), max_size=20)
FLEETS = st.dictionaries(
    st.integers(0, 255), st.sets(st.text("ab", min_size=1), max_size=6), max_size=90
)


@given(items=ITEMS, size=st.integers(1, 7), is_descending=st.booleans())
def test_pages_of_a_sorted_list_make_up_the_list(
    items: dict[str, int], size: int, is_descending: bool
) -> None:
    found: list[tuple[int, str]] = []
    token: str | None = None
    while True:
        page = page_of_sorted(
            [(value, name) for name, value in items.items()],
            lambda item: item,
            is_descending=is_descending,
            token=token,
            size=size,
        )
        assert len(page.items) <= size
        found += page.items
        token = page.token
        if token is None:
            break

    sign = -1 if is_descending else 1
    assert found == sorted(
        ((value, name) for name, value in items.items()), key=lambda item: (sign * item[0], item[1])
    )


@given(items=ITEMS, gone=st.integers(0, 19))
def test_an_item_that_goes_between_two_pages_takes_no_other_with_it(
    items: dict[str, int], gone: int
) -> None:
    ranked = [(value, name) for name, value in items.items()]
    options = {"is_descending": False, "size": 3}
    first = page_of_sorted(ranked, lambda item: item, token=None, **options)
    if first.token is None:
        return
    left = [item for at, item in enumerate(ranked) if at != gone]

    second = page_of_sorted(left, lambda item: item, token=first.token, **options)

    rest = sorted(item for item in left if item not in first.items)
    assert second.items == rest[:3]


@given(
    fleet=FLEETS, size=st.integers(1, 9), in_a_bucket=st.none() | st.floats(0, 4, allow_nan=False)
)
async def test_pages_of_buckets_make_up_what_is_in_them(
    fleet: dict[int, set[str]], size: int, in_a_bucket: float | None
) -> None:
    looked_at = 0

    async def read(bucket: int, after: str, limit: int) -> Sequence[tuple[str, tuple[int, str]]]:
        nonlocal looked_at
        looked_at += 1
        rows = sorted(key for key in fleet[bucket] if key > after)
        return [(key, (bucket, key)) for key in rows[:limit]]

    found: list[tuple[int, str]] = []
    token: str | None = None
    while True:
        looked_at = 0
        page = await page_of_buckets(
            list(fleet), read, token=token, size=size, in_a_bucket=in_a_bucket
        )
        assert len(page.items) <= size
        assert looked_at <= MAX_BUCKETS_A_PAGE
        found += page.items
        assert page.token is None or page.token != token
        token = page.token
        if token is None:
            break

    assert found == [(bucket, key) for bucket in sorted(fleet) for key in sorted(fleet[bucket])]


async def test_as_many_buckets_are_read_at_first_as_a_page_needs() -> None:
    reading, most = 0, 0

    async def read(bucket: int, after: str, limit: int) -> Sequence[tuple[str, str]]:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0)
        reading -= 1
        return [(f"{number:04}", f"{bucket}") for number in range(30)]

    page = await page_of_buckets(range(256), read, token=None, size=100, in_a_bucket=30)

    assert len(page.items) == 100
    assert most == 4


async def test_a_full_bucket_makes_a_page_without_a_look_at_the_others() -> None:
    seen: list[int] = []

    async def read(bucket: int, after: str, limit: int) -> Sequence[tuple[str, str]]:
        seen.append(bucket)
        return [(f"{number:04}", f"{number:04}") for number in range(limit)]

    page = await page_of_buckets(range(256), read, token=None, size=100)

    assert seen == [0]
    assert page.token is not None
    assert json.loads(page.token) == [0, "0099"]
