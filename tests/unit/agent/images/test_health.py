"""When an image is healthy."""

from __future__ import annotations

from pathlib import Path

from odu_agent.images.trial import Health


def _always() -> bool:
    return True


def test_commands_are_tried_again_until_they_succeed(tmp_path: Path) -> None:
    file = tmp_path / "tried"
    command = ["sh", "-c", f"test -e {file} || {{ touch {file}; exit 1; }}"]

    assert Health([command], seconds=60).fault(_always) is None


def test_command_that_says_never_ends_the_wait_at_once() -> None:
    health = Health([["sh", "-c", "echo no heater; exit 77"]], seconds=3600)

    assert health.fault(_always) == "sh -c echo no heater; exit 77: no heater"


def test_hub_that_is_not_reached_is_the_fault() -> None:
    assert Health(seconds=0).fault(lambda: False) == "the hub was not reached, within 0 s"
