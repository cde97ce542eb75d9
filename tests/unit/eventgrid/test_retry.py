from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.eventgrid.retry import JITTER, GiveUp, Outcome, RetryAt, RetryPolicy
from local.cloud.eventgrid.subscriptions import Subscription

NEVER = 1e12


def _decide(
    status: int | None,
    *,
    attempts: int = 1,
    expires_at: float = NEVER,
    chance: float = 0.0,
    time_scale: float = 1.0,
) -> RetryAt | GiveUp:
    outcome = Outcome("SocketError") if status is None else Outcome.of_status(status)
    return RetryPolicy(time_scale).after_failure(
        outcome,
        attempts=attempts,
        max_attempts=30,
        now=1000.0,
        expires_at=expires_at,
        chance=chance,
    )


def test_waits_follow_the_schedule_of_the_service() -> None:
    waits = [_decide(500, attempts=attempts) for attempts in range(1, 10)]

    assert waits == [
        RetryAt(1000.0 + wait) for wait in (10, 30, 60, 300, 600, 1800, 3600, 3600, 3600)
    ]


@pytest.mark.parametrize(
    ("status", "wait"), [(401, 300), (403, 300), (404, 300), (408, 120), (503, 30), (None, 10)]
)
def test_some_answers_ask_for_a_longer_first_wait(status: int | None, wait: int) -> None:
    assert _decide(status) == RetryAt(1000.0 + wait)


@pytest.mark.parametrize("status", [400, 413])
def test_final_answers_are_given_up_at_once(status: int) -> None:
    decision = _decide(status)

    assert isinstance(decision, GiveUp)
    assert decision.reason.startswith("UndeliverableDueToHttp")
    assert decision.delay == 0


def test_last_attempt_is_given_up_after_a_delay() -> None:
    assert isinstance(_decide(500, attempts=29), RetryAt)
    assert _decide(500, attempts=30) == GiveUp("MaxDeliveryAttemptsExceeded", 300.0)


def test_retry_is_not_planned_beyond_the_time_to_live() -> None:
    assert _decide(500, attempts=7, expires_at=1005.0) == RetryAt(1005.0)


@given(
    attempts=st.integers(1, 29),
    chance=st.floats(0, 1, exclude_max=True),
    time_scale=st.floats(1e-3, 1),
)
def test_jitter_and_scale_keep_a_wait_in_bounds(
    attempts: int, chance: float, time_scale: float
) -> None:
    plain = _decide(500, attempts=attempts)
    decision = _decide(500, attempts=attempts, chance=chance, time_scale=time_scale)

    assert isinstance(plain, RetryAt)
    assert isinstance(decision, RetryAt)
    wait = (plain.time - 1000) * time_scale
    assert wait - 1e-6 <= decision.time - 1000 <= wait * (1 + JITTER) + 1e-6


def test_time_to_live_is_scaled_like_the_waits() -> None:
    subscription = Subscription("topic", "https://localhost/", event_time_to_live_minutes=10)

    assert RetryPolicy(0.5).expires_at(subscription, 1000.0) == 1300.0
    assert RetryPolicy(0.5).expired() == GiveUp("TimeToLiveExceeded", 150.0)


@given(st.integers(100, 599))
def test_success_is_200_to_204(status: int) -> None:
    assert Outcome.of_status(status).succeeded == (200 <= status <= 204)
