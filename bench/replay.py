"""A recorded fleet's day replayed twice, shuffled, under REST reads and kills of the host.

Devices live through a day of about 50 events each while the service is away: roll-outs that end
well, badly or not at all, moves to other groups, deletions, new devices, connections. Then the
service gets all of it, through event hub, relay and Event Grid, in one random order and then in
another, is read all the while, and killed now and then. In the end rows, histories, counters and
REST must be those of one fold of the events in their order. Counted are the events that the service
is through with a second. The ceiling writes a device row for each event, and a row of counters for
each chunk of the size that was seen, with the SDK alone into the same storage.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.harness import Options, Result, Work, in_lanes
from local.stack.running import Stack
from local.tools.replay.run import Outcome, Plan, replay
from local.tools.replay.stored import Storage
from local.tools.replay.story import Fleet, make_fleet
from shared.adapters.table import Row, Table
from shared.adapters.table_device_rows import partition_of

_EVENTS, _QUICK_EVENTS = 20_000, 2_000
_STEPS = 50
_EVENTS_A_KILL = 5_000
_BUCKETS = 8
"""Few, so that they are as dense as those of a fleet 32 times as large."""
_PATIENCE_SECONDS = 300.0
_LANES = 8
_CEILING_EVENTS = 2_000
_SHOWN = 5


async def run(options: Options) -> Sequence[Result]:
    """Measure in events a second."""
    events = options.events or (_QUICK_EVENTS if options.quick else _EVENTS)
    fleet = make_fleet(-(-events // _STEPS), _STEPS, buckets=_BUCKETS)
    kills = max(1, events // _EVENTS_A_KILL)
    async with replay(Plan(fleet, kills, _PATIENCE_SECONDS), options.say) as (outcome, stack):
        options.say("the ceiling")
        size = max(1, round(outcome.changes / outcome.chunks))
        ceiling = await _bare_transactions(stack, fleet, size)
    figure = outcome.sent / outcome.seconds
    return [
        Result(
            name="replay",
            figure=figure,
            unit="events/s",
            ceiling=ceiling,
            ratio=figure / ceiling,
            notes=_notes(outcome, size),
        )
    ]


def _notes(outcome: Outcome, size: int) -> Mapping[str, Any]:
    return {
        "events, each sent twice": outcome.events,
        "seconds": outcome.seconds,
        "twin changes a chunk": size,
        "kills of the host": outcome.kills,
        "reads checked": outcome.reads,
        "reads without an answer": outcome.interruptions,
        "impossible answers": len(outcome.impossible),
        "wrong in the end": len(outcome.wrong),
        **{f"wrong {at}": text for at, text in enumerate(_examples(outcome), 1)},
    }


def _examples(outcome: Outcome) -> Iterator[str]:
    return itertools.islice(itertools.chain(outcome.impossible, outcome.wrong), _SHOWN)


async def _bare_transactions(stack: Stack, fleet: Fleet, size: int) -> float:
    """Events a second whose rows are just written, so many with one row of counters."""
    async with Storage(stack) as storage:
        client = storage.accounts.tables.get_table_client("Devices")
        rows = {bucket: await _rows(storage, stack, bucket) for bucket in fleet.buckets}

        def write(entities: Sequence[Mapping[str, Any]]) -> Work:
            return lambda: client.submit_transaction(
                [("upsert", entity, {"mode": "replace"}) for entity in entities]
            )

        chunks = [_chunk(*rows[bucket], size) for bucket in fleet.buckets]
        count = _CEILING_EVENTS // size
        started = time.perf_counter()
        await in_lanes(map(write, itertools.islice(itertools.cycle(chunks), count)), _LANES)
        return count * size / (time.perf_counter() - started)


def _chunk(counters: Row, devices: Sequence[Row], size: int) -> list[Mapping[str, Any]]:
    """Rows of one transaction, in a partition beside the real one."""
    rows = [counters, *devices[:size]]
    return [{**row, "PartitionKey": f"{row['PartitionKey']}-floor"} for row in rows]


async def _rows(storage: Storage, stack: Stack, bucket: int) -> tuple[Row, Sequence[Row]]:
    """A row of counters and the device rows of a bucket."""
    partition = {"partition": partition_of(stack.instance, bucket)}
    rows = await Table(storage.accounts, "Devices").all("PartitionKey eq @partition", partition)
    counters = next(row for row in rows if str(row["RowKey"]).startswith("c."))
    return counters, [row for row in rows if str(row["RowKey"]).startswith("d.")]
