"""Faults that tests ask the host to commit, through the environment variable ODU_HOST_FAULTS.

The value is a JSON object:

* `duplicateQueueMessages`: names of queues whose messages are each delivered twice,
* `duplicateEvents`: names of functions that get each Event Grid event twice,
* `exitBeforeDelete`: `{"queue": name, "message": n}` ends the process once the function has run for
  the n-th message of that queue and its outputs are written, before the message is deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from local.cloud.functions_host.errors import StartError

VARIABLE = "ODU_HOST_FAULTS"
EXIT_CODE = 70
"""Exit code of a process that a fault has ended."""


class Faults:
    """Decides when a fault is due; without configuration never."""

    def __init__(
        self,
        duplicate_queues: frozenset[str] = frozenset(),
        duplicate_events: frozenset[str] = frozenset(),
        exit_queue: str | None = None,
        exit_message: int = 0,
    ) -> None:
        self._duplicate_queues = duplicate_queues
        self._duplicate_events = duplicate_events
        self._exit_queue = exit_queue
        self._messages_to_exit = exit_message
        self._duplicated: set[str] = set()

    def keep_for_duplicate(self, queue: str, message_id: str) -> bool:
        """Say whether a message that has been run must be delivered once more."""
        if queue not in self._duplicate_queues:
            return False
        if message_id in self._duplicated:
            self._duplicated.remove(message_id)
            return False
        self._duplicated.add(message_id)
        return True

    def duplicates_events(self, function: str) -> bool:
        """Say whether a function gets its Event Grid events twice."""
        return function in self._duplicate_events

    def before_delete(self, queue: str) -> None:
        """End the process if this is the message after which it has to die."""
        if queue != self._exit_queue:
            return
        self._messages_to_exit -= 1
        if self._messages_to_exit == 0:
            os._exit(EXIT_CODE)


def load_faults(environment: Mapping[str, str]) -> Faults:
    """Read the requested faults; a value of another form is a `StartError`."""
    text = environment.get(VARIABLE)
    if not text:
        return Faults()
    try:
        document: dict[str, Any] = json.loads(text)
        ending = document.get("exitBeforeDelete", {})
        return Faults(
            frozenset(document.get("duplicateQueueMessages", ())),
            frozenset(document.get("duplicateEvents", ())),
            ending.get("queue"),
            int(ending.get("message", 0)),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise StartError(f"{VARIABLE}: not an object of faults: {error}") from error
