from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.fleet.counters import History
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_history import of_history
from tests.unit.domain.builders import a_command, at_second


@pytest.mark.parametrize(
    ("ended_at", "shown"),
    [("", ""), (at_second(9), at_second(9)), (at_second(4), at_second(5))],
)
def test_nothing_ends_before_it_has_begun(ended_at: str, shown: str) -> None:
    commanded = replace(a_command(), at=at_second(5))
    past = History(
        device_id="d1",
        module_id=None,
        commanded=commanded,
        state=DeviceState.FAILED,
        result_code=0,
        extended_result_codes=(),
        ended_at=ended_at,
    )

    found = of_history(past)

    assert (found.started_at, found.ended_at) == (at_second(5), shown)
