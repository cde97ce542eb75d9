"""The requests of a read as the SDK alone makes them: what a read cannot be faster than."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bench.harness import Measure, Options, Result, Work, compared, in_lanes, in_turns

_READS, _ROUNDS, _CALLERS = 240, 7, 8
_NEXT = ("NextPartitionKey", "NextRowKey")
_ROW = re.compile(r"(\w+)\(PartitionKey='(.*)',RowKey='(.*)'\)")


@dataclass(slots=True)
class Requests:
    """Notes the requests to Table Storage that go through clients with `note` as their hook."""

    urls: list[str] = field(default_factory=list)

    def note(self, request: Any) -> None:
        """Take down one."""
        self.urls.append(str(request.http_request.url))


async def to_bare(name: str, works: Mapping[str, Work], options: Options) -> Result:
    """Reads a second in this process (`figure`) beside their bare requests (`ceiling`)."""

    def rate(work: Work) -> Measure:
        async def measured() -> float:
            started = time.perf_counter()
            await in_lanes((work for _ in range(_READS)), _CALLERS)
            return _READS / (time.perf_counter() - started)

        return measured

    samples = await in_turns(
        _ROUNDS, {which: rate(work) for which, work in works.items()}, options.say
    )
    return compared(
        f"single_{name}, to its bare requests", "reads/s", samples["figure"], samples["ceiling"]
    )


def bare(tables: Any, urls: Sequence[str]) -> Callable[[], Awaitable[object]]:
    """Reads the same rows, one request after the other, through the SDK's service client."""
    calls = [_call(tables, url) for url in urls]

    async def read() -> object:
        return [await call() for call in calls]

    return read


def _call(tables: Any, url: str) -> Callable[[], Awaitable[object]]:
    parts = urlsplit(url)
    last = unquote(parts.path).rpartition("/")[2]
    row = _ROW.fullmatch(last)
    if row is not None:
        client = tables.get_table_client(row[1])
        partition, name = row[2].replace("''", "'"), row[3].replace("''", "'")
        return lambda: client.get_entity(partition, name)
    client = tables.get_table_client(last.partition("(")[0])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {}
    if "$top" in query:
        options["results_per_page"] = int(query["$top"])
    if "$select" in query:
        options["select"] = query["$select"].split(",")

    begin = {name.removeprefix("Next"): query[name] for name in _NEXT if name in query} or None

    async def page() -> object:
        pages = client.query_entities(query["$filter"], **options).by_page(begin)
        return [item async for item in await anext(pages)]

    return page
