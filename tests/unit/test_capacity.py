"""The table of costs says what its formulas give."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.tools.capacity import Hub, Plan, smallest_hub, table

_PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


def test_page_has_the_table_as_it_is_computed() -> None:
    assert table() in _PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("devices", "hub"), [(10_000, Hub("S1", 1)), (100_000, Hub("S1", 1)), (1_000_000, Hub("S1", 8))]
)
def test_smallest_hub_carries_the_messages_of_a_day(devices: int, hub: Hub) -> None:
    assert smallest_hub(devices) == hub


@pytest.mark.parametrize(
    ("hub", "hours"),
    [(Hub("S1", 1), 20 * 24), (Hub("S2", 10), 38.9), (Hub("S3", 1), 7.8), (Hub("S3", 10), 0.78)],
)
def test_rollout_lasts_as_long_as_the_rate_or_the_quota_asks(hub: Hub, hours: float) -> None:
    assert Plan(1_000_000, hub).rollout_hours == pytest.approx(hours, rel=0.01)
