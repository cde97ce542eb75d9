from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.iothub.errors import HubError
from local.cloud.iothub.limits import Meter, Sku, rate
from local.cloud.iothub.throttle import Bucket, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("sku", "units", "meter", "expected"),
    [
        ("S1", 10, Meter.TWIN_UPDATES, 50),
        ("S2", 10, Meter.TWIN_UPDATES, 50),
        ("S2", 20, Meter.TWIN_UPDATES, 100),
        ("S3", 2, Meter.TWIN_UPDATES, 500),
        ("F1", 1, Meter.QUERIES, 20 / 60),
        ("S3", 1, Meter.QUERIES, 1000 / 60),
        ("S1", 3, Meter.REGISTRY, 300 / 60),
        ("S1", 1, Meter.CONNECTIONS, 100),
        ("S1", 10, Meter.CONNECTIONS, 120),
    ],
)
def test_rate_follows_from_size_and_units(
    sku: Sku, units: int, meter: Meter, expected: float
) -> None:
    assert rate(sku, units, meter) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), max_size=50))
def test_bucket_never_gives_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = Bucket(rate=4.0, capacity=10.0, clock=clock)
    given_out = 0
    for pause, calls in steps:
        clock.now += pause
        given_out += sum(1 for _ in range(calls) if bucket.take() == 0)

        assert given_out <= 10 + 4 * clock.now + 1e-6


@given(st.floats(0.1, 10), st.integers(1, 30))
def test_bucket_gives_after_the_wait_it_asked_for(speed: float, spent: int) -> None:
    clock = Clock()
    bucket = Bucket(rate=speed, capacity=5.0, clock=clock)
    for _ in range(spent):
        clock.now += bucket.take()

    wait = bucket.take()
    clock.now += wait

    assert wait == 0 or bucket.take() == 0


def test_spent_meter_is_refused_with_whole_seconds() -> None:
    clock = Clock()
    throttle = Throttle("S1", 1, enabled=True, clock=clock)
    for _ in range(20):
        throttle.take(Meter.QUERIES)

    with pytest.raises(HubError) as caught:
        throttle.take(Meter.QUERIES)

    assert (caught.value.status, caught.value.retry_after) == (429, 3)
    throttle.take(Meter.TWIN_READS)


def test_bulk_operation_larger_than_the_burst_passes_once_and_leaves_a_debt() -> None:
    clock = Clock()
    throttle = Throttle("S1", 1, enabled=True, burst_seconds=30, clock=clock)

    throttle.take(Meter.REGISTRY, 100)

    assert throttle.wait(Meter.REGISTRY) == pytest.approx(51 / (100 / 60))


def test_disabled_throttle_lets_everything_pass() -> None:
    throttle = Throttle("F1", 1, enabled=False)

    assert {throttle.wait(Meter.QUERIES) for _ in range(1000)} == {0.0}
