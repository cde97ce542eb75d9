"""What the installing half must not forget: how workflows ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..state import JsonFile
from .frames import FrameError
from .messages import Outcome, outcome_from_json, outcome_to_json

if TYPE_CHECKING:
    from pathlib import Path

    from ..workflow import Command

MAXIMUM_RECORDS = 64


class Records:
    """Outcomes by workflow and retry timestamp, the oldest forgotten first."""

    def __init__(self, folder: Path) -> None:
        self._file = JsonFile(folder / "workflows.json")

    def find(self, command: Command) -> Outcome | None:
        """How a command ended, if it did.

        A workflow that was completed is so whatever its retry timestamp; of one that failed or was
        cancelled every timestamp that was seen counts.
        """
        for entry in self._entries():
            if entry.get("workflowId") != command.workflow_id:
                continue
            is_completed = entry.get("outcome", {}).get("ended") == "completed"
            if is_completed or entry.get("retryTimestamp") == command.retry_timestamp:
                try:
                    return outcome_from_json(entry["outcome"])
                except (KeyError, FrameError):
                    return None
        return None

    def begin(self, command: Command) -> None:
        """Take note of what is being worked on, for people who look."""
        self._file.update({"working": {"workflowId": command.workflow_id}})

    def end(self, command: Command, outcome: Outcome) -> None:
        """Remember how a command ended."""
        entry = {
            "workflowId": command.workflow_id,
            "retryTimestamp": command.retry_timestamp,
            "outcome": outcome_to_json(outcome),
        }
        entries = [*self._entries(), entry][-MAXIMUM_RECORDS:]
        self._file.update({"ended": entries, "working": None})

    def _entries(self) -> list[dict[str, Any]]:
        entries = self._file.read().get("ended")
        return [entry for entry in entries or () if isinstance(entry, dict)]
