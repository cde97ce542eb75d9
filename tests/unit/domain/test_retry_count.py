from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.counters import moved_on
from shared.domain.fleet.deployment import Subgroup
from shared.domain.fleet.device import view
from tests.unit.domain.builders import (
    LONG_AGO,
    a_change,
    a_deployment,
    a_record,
    at_second,
    failed,
    started,
    wanted,
)

_FIRST, _SECOND = at_second(1), at_second(2)


def test_each_retry_of_a_failed_device_counts_and_stays_in_its_history() -> None:
    record = a_record(a_change(1, started()))
    deployment = a_deployment()
    first = wanted(record, [deployment], LONG_AGO)
    assert first is not None
    first = replace(first, at=LONG_AGO)
    assert first.retry_count == 0
    seen = view(record).device_class
    assert seen is not None

    retried = replace(deployment, subgroups={seen.class_id: Subgroup(retry_timestamp=_FIRST)})
    record = a_record(a_change(1, started()), a_change(2, failed()), commanded=first)
    second = wanted(record, [retried], LONG_AGO)
    assert second is not None
    assert second.retry_count == 1

    again = replace(deployment, subgroups={seen.class_id: Subgroup(retry_timestamp=_SECOND)})
    record = a_record(
        a_change(1, started()), a_change(2, failed(retry_timestamp=_FIRST)), commanded=second
    )
    third = wanted(record, [again], LONG_AGO)
    assert third is not None
    assert third.retry_count == 2
    history = moved_on(replace(record, commanded=third), replace(record, commanded=None))
    assert history is not None
    assert history.retry_count == 2
