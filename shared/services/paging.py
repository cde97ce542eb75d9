"""Pages of lists: of sorted ones in memory, and of device rows that lie in many buckets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import total_ordering
from math import ceil
from typing import Any

from shared.ports import Page

MAX_BUCKETS_A_PAGE = 64
"""Buckets looked at for one page: what bounds a page of a filter that fits few devices."""
_MOST_AT_ONCE = 16
_MOST_SEEN = 10

type Rank = tuple[Any, str]
"""What a list is ordered by, then an id, so that no two ranks are equal."""
type ReadBucket[T] = Callable[[int, str, int], Awaitable[Sequence[tuple[str, T]]]]
"""Reads at most so many items of a bucket after a key (empty: from the first), with their keys."""


async def every[T](read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Every item of a listing, page after page; `read` takes the token of a page."""
    token: str | None = None
    while True:
        page = await read(token)
        for item in page.items:
            yield item
        token = page.token
        if token is None:
            return


@total_ordering
class _Descending:
    """A value that sorts the other way round."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self._value == other._value)

    def __lt__(self, other: _Descending) -> bool:
        return bool(other._value < self._value)

    def __hash__(self) -> int:
        return hash(self._value)


def page_of_sorted[T](
    items: Sequence[T],
    rank: Callable[[T], Rank],
    *,
    is_descending: bool,
    token: str | None,
    size: int,
) -> Page[T]:
    """One page of items in the order of their ranks; ids are ascending in either order.

    The token is the rank of the last item, so what comes or goes meanwhile shifts nothing.
    """

    def sortable(of: Rank) -> Rank:
        return (_Descending(of[0]) if is_descending else of[0], of[1])

    ordered = sorted(items, key=lambda item: sortable(rank(item)))
    if token is not None:
        value, identity = json.loads(token)
        last = sortable((value, identity))
        ordered = [item for item in ordered if sortable(rank(item)) > last]
    page = ordered[:size]
    is_last = len(ordered) <= size
    return Page(page, None if is_last else json.dumps(rank(page[-1])))


async def page_by_time[T](
    places: Iterable[tuple[str, str]],
    read: Callable[[str], Awaitable[T | None]],
    *,
    is_newest_first: bool,
    token: str | None,
    size: int,
    has: Callable[[T], bool] = lambda _: True,
) -> Page[T]:
    """One page of items by their times.

    Args:
        places: Time and id of every item.
        read: Reads the item of an id; None if it is gone.
        is_newest_first: The order.
        token: Where the page begins.
        size: Its most items; of ten times as many at most it is seen whether the list has them.
        has: Which items the list has.
    """
    ordered = sorted(places, reverse=is_newest_first)
    if token is not None:
        at, identity = json.loads(token)
        last = (at, identity)
        ordered = [each for each in ordered if (each < last if is_newest_first else each > last)]
    most = min(len(ordered), _MOST_SEEN * size)
    found: list[T] = []
    for begin in range(0, most, _MOST_AT_ONCE):
        some = ordered[begin : min(begin + _MOST_AT_ONCE, most)]
        items = await asyncio.gather(*(read(identity) for _, identity in some))
        for place, item in zip(some, items, strict=True):
            if item is not None and has(item):
                found.append(item)
                if len(found) == size:
                    return Page(found, None if place == ordered[-1] else json.dumps(place))
    return Page(found, json.dumps(ordered[most - 1]) if most < len(ordered) else None)


async def page_of_buckets[T](
    buckets: Sequence[int],
    read: ReadBucket[T],
    *,
    token: str | None,
    size: int,
    in_a_bucket: float | None = None,
) -> Page[T]:
    """One page of what lies in buckets, bucket by bucket.

    So many are read at first as a page is expected to need, by how much there is `in_a_bucket`;
    where nobody knows, one. Then ever more at a time: large fleets fill a page from one bucket,
    small ones need many. A page may be short, even empty, and yet not be the last.
    """
    bucket, after = json.loads(token) if token is not None else (-1, "")
    left = sorted(each for each in buckets if each >= bucket)[: MAX_BUCKETS_A_PAGE + 1]
    items: list[T] = []
    place = (bucket, after)
    parallel, at = _first_of(size, in_a_bucket), 0
    while at < min(len(left), MAX_BUCKETS_A_PAGE):
        some = left[at : at + min(parallel, MAX_BUCKETS_A_PAGE - at)]
        room = size - len(items) + 1
        found = await asyncio.gather(
            *(read(each, after if each == bucket else "", room) for each in some)
        )
        for each, rows in zip(some, found, strict=True):
            for key, item in rows:
                if len(items) == size:
                    return Page(items, json.dumps(place))
                items.append(item)
                place = (each, key)
        at += len(some)
        parallel = min(2 * parallel, _MOST_AT_ONCE)
    return Page(items, json.dumps((left[at], "")) if at < len(left) else None)


def _first_of(size: int, in_a_bucket: float | None) -> int:
    """Buckets to begin with: as many as hold a page and the item after it."""
    if not in_a_bucket:
        return 1
    wanted = (size + 1) / in_a_bucket
    return ceil(wanted) if wanted < _MOST_AT_ONCE else _MOST_AT_ONCE
