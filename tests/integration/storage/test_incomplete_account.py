"""An account that was not set up wholly must not look like one that is empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from shared import messages
from shared.adapters.queues import AzureQueues
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table, put
from shared.domain.errors import DependencyFailed


class Lost(messages.Message, frozen=True):
    """A message for a queue that does not exist."""

    queue = cast("Any", "nowhere")


async def test_missing_table_or_queue_is_a_failure_that_may_pass(accounts: StorageAccounts) -> None:
    name = cast("Any", "nowhere")
    table, queues = Table(accounts, name), AzureQueues(accounts)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: table.get("p", "r"),
        lambda: table.replace("p", "r", {}, "*"),
        lambda: table.transact([put("p", "r", {})]),
        lambda: table.page("PartitionKey eq 'p'", {}),
        lambda: queues.put(Lost()),
    ]

    for attempt in attempts:
        with pytest.raises(DependencyFailed, match="lacks a table") as failed:
            await attempt()
        assert failed.value.retryable
