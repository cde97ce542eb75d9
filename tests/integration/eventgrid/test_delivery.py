from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.eventgrid.conftest import Grid, an_event
from tests.integration.eventgrid.webhook import start_webhook

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.certificates import Certificates
    from tests.integration.eventgrid.webhook import Webhook

    StartGrid = Callable[..., AbstractAsyncContextManager[Grid]]


async def _wait_for_counters(grid: Grid, name: str, **expected: int) -> None:
    """Wait until a subscription's counters settle after the last answer of its webhook."""
    async with asyncio.timeout(10):
        while True:
            seen = await grid.subscription(name)
            if {key: seen[key] for key in expected} == expected:
                return
            await asyncio.sleep(0.02)


async def test_delivery_is_repeated_until_it_is_taken(grid: Grid, webhook: Webhook) -> None:
    await grid.subscribe("first", webhook.endpoint)
    webhook.answers = [500, 302, 205]

    await grid.publish(an_event())

    await webhook.wait_for_notifications(4)
    counts = [request.headers["aeg-delivery-count"] for request in webhook.notifications]
    assert counts == ["0", "1", "2", "3"]
    await _wait_for_counters(grid, "first", delivered=1, failed=3, pending=0)


@pytest.mark.parametrize("status", [401, 403, 404, 503])
async def test_delivery_is_repeated_after_an_error_that_may_pass(
    grid: Grid, webhook: Webhook, status: int
) -> None:
    await grid.subscribe("first", webhook.endpoint)
    webhook.answers = [status]

    await grid.publish(an_event())

    await webhook.wait_for_notifications(2)
    await _wait_for_counters(grid, "first", delivered=1, failed=1, pending=0)


@pytest.mark.parametrize("status", [400, 413])
async def test_event_is_dropped_at_once_when_refused_and_there_is_no_dead_letter_container(
    grid: Grid, webhook: Webhook, status: int
) -> None:
    await grid.subscribe("first", webhook.endpoint)
    webhook.answers = [status]

    await grid.publish(an_event())

    await _wait_for_counters(grid, "first", delivered=0, failed=1, pending=0, dropped=1)


async def test_events_come_in_batches_when_the_subscription_allows(
    grid: Grid, webhook: Webhook
) -> None:
    await grid.subscribe("first", webhook.endpoint, maxEventsPerBatch=10)

    await grid.publish(*(an_event(number) for number in range(25)))

    await webhook.wait_until(lambda: len(webhook.events) == 25)
    sizes = [len(request.document) for request in webhook.notifications]
    assert sorted(sizes) == [5, 10, 10]


async def test_silent_subscriber_holds_up_nobody_else(
    grid: Grid, webhook: Webhook, certificates: Certificates
) -> None:
    async with start_webhook(certificates.server_context()) as silent:
        silent.held = asyncio.Event()
        await grid.subscribe("silent", silent.endpoint)
        await grid.subscribe("brisk", webhook.endpoint)

        await grid.publish(*(an_event(number) for number in range(60)))

        await webhook.wait_for_notifications(60)
        assert len(silent.notifications) <= 16
        assert (await grid.subscription("silent"))["pending"] == 60
        silent.held.set()
        await silent.wait_for_notifications(60)


async def test_subscriber_that_is_down_is_tried_again(
    grid: Grid, certificates: Certificates
) -> None:
    async with start_webhook(certificates.server_context()) as webhook:
        await grid.subscribe("down", webhook.endpoint, maxDeliveryAttempts=3)

    await grid.publish(an_event())

    await _wait_for_counters(grid, "down", failed=3, dropped=1, pending=0)
    await grid.server.wait_for_log("down: events are not taken: SocketError")


async def test_faults_deliver_everything_twice_and_out_of_order(
    grid: Grid, webhook: Webhook
) -> None:
    await grid.subscribe("first", webhook.endpoint)
    await grid.call("PUT", "/faults", {"duplicate": True, "shuffle": True})
    events = [an_event(number) for number in range(20)]

    await grid.publish(*events)

    await webhook.wait_for_notifications(40)
    ids = [event["id"] for event in webhook.events]
    assert set(Counter(ids).values()) == {2}
    assert list(dict.fromkeys(ids)) != [event["id"] for event in events]


async def test_accepted_events_survive_a_crash(
    start_grid: StartGrid, webhook: Webhook, tmp_path: Path
) -> None:
    async with start_grid(tmp_path) as grid:
        webhook.held = asyncio.Event()
        await grid.subscribe("first", webhook.endpoint)
        await grid.publish(*(an_event(number) for number in range(30)))
        await grid.server.kill()
    webhook.held.set()

    async with start_grid(tmp_path) as grid:
        await webhook.wait_until(lambda: _ids(webhook) == {f"event-{n}" for n in range(30)})
        await _wait_for_counters(grid, "first", delivered=30, pending=0)
        assert await grid.server.stop() == 0


def _ids(webhook: Webhook) -> set[Any]:
    return {event["id"] for event in webhook.events}


async def test_second_server_on_the_same_state_is_refused(
    start_grid: StartGrid, tmp_path: Path
) -> None:
    async with start_grid(tmp_path):
        with pytest.raises(AssertionError, match="database is locked"):
            async with start_grid(tmp_path):
                pass
