from __future__ import annotations

import pytest

from shared.domain.fleet.deployment import RollbackPolicy
from tests.unit.domain.builders import V1


@pytest.mark.parametrize(
    ("percent", "count", "failed", "total", "is_due"),
    [
        (10, 5, 5, 50, True),
        (10, 5, 4, 40, False),  # too few
        (10, 5, 5, 51, False),  # too small a part
        (10, 5, 6, 50, True),
        (100, 1, 3, 3, True),
        (100, 1, 2, 3, False),
        (0, 3, 3, 1000, True),
        (0, 3, 2, 1000, False),
        (0, 0, 1, 1000, True),
        (0, 0, 0, 1000, False),  # nothing has failed
        (0, 0, 0, 0, False),
    ],
)
def test_rollback_is_due_when_both_thresholds_are_reached(
    percent: int, count: int, failed: int, total: int, *, is_due: bool
) -> None:
    policy = RollbackPolicy(V1, failed_percentage=percent, failed_count=count)

    assert policy.is_due(failed, total) is is_due
