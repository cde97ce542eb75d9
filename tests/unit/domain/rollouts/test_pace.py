"""How many devices a roll-out may ask: by cap, by rate, by count, and when a pass is missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.ledger import Ledger
from shared.domain.rollouts.pace import (
    CHUNK,
    SAVED_UP,
    UNBOUNDED,
    allowance,
    grants,
    is_limited,
    is_spent,
    may_be_closed,
    members_of,
    needs_pass,
)
from shared.domain.rollouts.progress import Hold, Opened, Progress, Status
from shared.domain.rollouts.specification import Rollout

AT = "2027-01-01T00:00:00.000000+00:00"
SECONDS = int(datetime.fromisoformat(AT).timestamp())


def after(seconds: float) -> str:
    moment = datetime.fromisoformat(AT) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="microseconds")


def a_rollout(*selects: dict[str, Any], **members: Any) -> Rollout:
    phases = [{"select": select} for select in selects or ({"percent": 100},)]
    return msgspec.convert({"phases": phases, **members}, Rollout)


def a_progress(opened: int = 1, **changes: Any) -> Progress:
    phases = tuple(Opened(at=AT) for _ in range(opened))
    return Progress(**{"status": Status.RUNNING, "opened": phases, **changes})


FREE, CAPPED = a_rollout(), a_rollout(maximumInFlight=100)
RATED = a_rollout(rate={"perMinute": 60})
COUNTED = a_rollout({"count": 5}, {"count": 7}, {"percent": 100})


def test_allowance_counts_where_asks_are_paced_or_a_phase_by_count_takes_the_device_in() -> None:
    progress = a_progress(allow_asks={1: 9}, allow_members={1: 4})

    assert allowance(FREE, progress, 1, is_member=False) is None
    assert allowance(FREE, progress, 1, is_member=True) == (UNBOUNDED, 4)
    for paced in (CAPPED, RATED):
        assert allowance(paced, progress, 1, is_member=False) == (9, 4)
        assert allowance(paced, progress, 2, is_member=True) == (0, 0)


def test_devices_are_asked_as_granted_under_a_cap_a_rate_or_a_count() -> None:
    assert [is_limited(each) for each in (FREE, CAPPED, RATED, COUNTED)] == [
        False,
        True,
        True,
        True,
    ]
    assert [members_of(COUNTED, phase) for phase in (-1, 0, 1, 2)] == [0, 5, 12, 12]


def granted(
    rollout: Rollout, progress: Progress, ledgers: dict[int, Ledger], *given: Any
) -> int | None:
    """How many asks or members a grant adds; None if there is none."""
    found = grants(rollout, progress, ledgers, *given)
    if found is None:
        return None
    before = sum(progress.allow_asks.values()) + sum(progress.allow_members.values())
    after_it = found.progress
    return sum(after_it.allow_asks.values()) + sum(after_it.allow_members.values()) - before


MANY = {bucket: Ledger(phase=0, due=40) for bucket in range(8)}


@pytest.mark.parametrize(
    ("rollout", "progress", "in_flight", "seconds", "expected"),
    [
        pytest.param(CAPPED, a_progress(), 0, 1, 100, id="as many as the cap leaves"),
        pytest.param(CAPPED, a_progress(), 75, 1, 25, id="a chunk"),
        pytest.param(CAPPED, a_progress(), 76, 1, None, id="too little to be worth it"),
        pytest.param(CAPPED, a_progress(), 76, 120, 24, id="until that has waited"),
        pytest.param(CAPPED, a_progress(), 76, 119, None, id="long enough"),
        pytest.param(CAPPED, a_progress(), 100, 999, None, id="the cap is reached"),
        pytest.param(CAPPED, a_progress(allow_asks={9: 40}), 0, 1, 60, id="less what is unspent"),
        pytest.param(CAPPED, a_progress(hold=Hold.ASKS), 0, 1, None, id="paused"),
        pytest.param(a_rollout(maximumInFlight=8), a_progress(), 6, 1, 2, id="a quarter of a cap"),
        pytest.param(
            a_rollout(maximumInFlight=8), a_progress(), 7, 1, None, id="less than a quarter"
        ),
        pytest.param(RATED, a_progress(), 0, 30, 30, id="as many as the rate has saved up"),
        pytest.param(RATED, a_progress(), 0, 999, 120, id="but no more than of two minutes"),
        pytest.param(RATED, a_progress(), 0, 20, None, id="not a chunk yet"),
        pytest.param(RATED, a_progress(granted_at=after(30)), 0, 60, 30, id="since the last grant"),
        pytest.param(
            a_rollout(rate={"perMinute": 60}, maximumInFlight=100),
            a_progress(),
            70,
            60,
            30,
            id="the lesser of both",
        ),
        pytest.param(COUNTED, a_progress(), 0, 1, 5, id="a phase by count, whole"),
        pytest.param(COUNTED, a_progress(2), 0, 1, 12, id="with what the first left"),
        pytest.param(
            COUNTED, a_progress(2, allow_members={1: 5}), 0, 1, 7, id="less what was allowed"
        ),
        pytest.param(COUNTED, a_progress(allow_members={1: 5}), 0, 1, None, id="none is left"),
        pytest.param(COUNTED, a_progress(3), 0, 1, None, id="nothing bounds it"),
    ],
)
def test_grant_is_what_cap_rate_and_count_leave(
    rollout: Rollout, progress: Progress, in_flight: int, seconds: int, expected: int | None
) -> None:
    assert granted(rollout, progress, MANY, in_flight, after(seconds)) == expected


def test_nothing_is_granted_where_nobody_waits_and_no_more_than_wait() -> None:
    idle = {1: Ledger(phase=0), 2: Ledger(phase=0, held=3)}

    assert granted(CAPPED, a_progress(), idle, 0, after(999)) is None
    few = {1: Ledger(phase=0, due=2), 2: Ledger(phase=0, due=1), 3: Ledger(phase=0)}
    found = grants(CAPPED, a_progress(), few, 0, after(1))
    assert found is not None
    assert dict(found.progress.allow_asks) == {1: 2, 2: 1}
    assert sorted(found.buckets) == [1, 2]
    assert found.progress.granted_at == after(1)


def test_grant_begins_where_the_bucket_stands() -> None:
    """What was allowed and not spent counts; what was asked without an allowance is no debt."""
    ledgers = {1: Ledger(asks=10, members=4, due=6)}

    spent = grants(CAPPED, a_progress(allow_asks={1: 10}), ledgers, 0, after(1))
    ahead = grants(CAPPED, a_progress(), ledgers, 0, after(1))
    behind = grants(CAPPED, a_progress(allow_asks={1: 12}), ledgers, 0, after(1))
    enough = grants(CAPPED, a_progress(allow_asks={1: 16}), ledgers, 0, after(1))

    assert spent is not None
    assert ahead is not None
    assert behind is not None
    assert spent.progress.allow_asks == ahead.progress.allow_asks == {1: 16}
    assert behind.progress.allow_asks == {1: 16}
    assert enough is None
    both = a_rollout({"count": 20}, maximumInFlight=100)
    found = grants(both, a_progress(allow_asks={1: 10}), ledgers, 0, after(1))
    assert found is not None
    assert (found.progress.allow_asks, found.progress.allow_members) == ({1: 16}, {1: 10})


@given(
    st.dictionaries(st.integers(0, 255), st.integers(0, 60), min_size=1, max_size=20),
    st.integers(1, 400),
    st.integers(0, 100),
)
def test_grants_stay_within_the_cap_and_serve_whole_chunks(
    due: dict[int, int], cap: int, in_flight: int
) -> None:
    ledgers = {bucket: Ledger(due=count) for bucket, count in due.items()}
    rollout = a_rollout(maximumInFlight=cap)

    found = grants(rollout, a_progress(), ledgers, in_flight, after(120))

    room = min(cap - in_flight, sum(min(CHUNK, count) for count in due.values()))
    given_out = dict(found.progress.allow_asks) if found is not None else {}
    assert sum(given_out.values()) == max(0, room)
    assert all(0 < more <= min(CHUNK, due[bucket]) for bucket, more in given_out.items())
    short = [bucket for bucket, more in given_out.items() if more < min(CHUNK, due[bucket])]
    assert len(short) <= 1


def test_buckets_are_served_in_another_order_by_each_roll_out() -> None:
    few = a_rollout(maximumInFlight=25)
    served = set()
    for second in range(20):
        progress = Progress(status=Status.RUNNING, opened=(Opened(at=after(second)),))
        found = grants(few, progress, MANY, 0, after(999))
        assert found is not None
        served.update(found.buckets)

    assert len(served) > 3


@pytest.mark.parametrize(
    ("rollout", "progress", "ledger", "expected"),
    [
        (FREE, a_progress(), Ledger(phase=0), False),
        (FREE, a_progress(), Ledger(), True),
        (FREE, a_progress(2), Ledger(phase=0), True),
        (FREE, a_progress(), Ledger(phase=0, held=1, next_at=SECONDS + 60), True),
        (FREE, a_progress(), Ledger(phase=0, held=1, next_at=SECONDS + 61), False),
        (FREE, a_progress(), Ledger(phase=0, next_at=SECONDS), False),
        (FREE, a_progress(), Ledger(phase=0, due=1), True),
        (CAPPED, a_progress(), Ledger(phase=0, due=1), False),
        (CAPPED, a_progress(allow_asks={7: 3}), Ledger(phase=0, due=1, asks=2), True),
        (CAPPED, a_progress(allow_asks={7: 3}), Ledger(phase=0, due=1, asks=3), False),
        (CAPPED, a_progress(allow_asks={8: 3}), Ledger(phase=0, due=1, asks=2), False),
        (COUNTED, a_progress(), Ledger(phase=0, due=1), False),
    ],
)
def test_pass_is_missing_for_a_new_phase_new_room_or_an_open_window(
    rollout: Rollout, progress: Progress, ledger: Ledger, expected: bool
) -> None:
    assert needs_pass(rollout, progress, 7, ledger, after(60)) is expected


NIGHTLY = [{"cron": "0 1 * * *", "duration": "PT1H"}]


@pytest.mark.parametrize(
    ("members", "closes_at", "expected"),
    [
        ({}, 0, False),
        ({"windows": NIGHTLY}, 0, True),
        ({"windows": NIGHTLY}, SECONDS + 60, True),
        ({"windows": NIGHTLY}, SECONDS + 61, False),
        ({}, SECONDS, True),
        ({"windows": NIGHTLY, "onClose": "Leave"}, SECONDS, False),
    ],
)
def test_window_may_have_closed(members: dict[str, Any], closes_at: int, expected: bool) -> None:
    assert may_be_closed(a_rollout(**members), Ledger(closes_at=closes_at), after(60)) is expected


@pytest.mark.parametrize(
    ("opened", "members", "ledgers", "expected"),
    [
        (1, {1: 5}, {1: Ledger(members=5)}, True),
        (1, {1: 4}, {1: Ledger(members=4)}, False),
        (1, {1: 5}, {1: Ledger(members=4, due=1)}, False),
        (1, {1: 5}, {1: Ledger(members=4, held=1)}, False),
        (1, {1: 5}, {1: Ledger(members=4)}, True),
        (1, {1: 5}, {1: Ledger(members=5, due=3)}, True),
        (1, {1: 5}, {}, True),
        (2, {1: 5}, {1: Ledger(members=5)}, False),
        (2, {1: 5, 2: 7}, {1: Ledger(members=5), 2: Ledger(members=7)}, True),
        (3, {1: 12}, {1: Ledger(members=12)}, False),
    ],
)
def test_count_is_spent_when_it_was_taken_in_or_nobody_is_left(
    opened: int, members: dict[int, int], ledgers: dict[int, Ledger], expected: bool
) -> None:
    assert is_spent(COUNTED, a_progress(opened, allow_members=members), ledgers) is expected


def test_what_is_saved_up_is_lost_after_two_minutes() -> None:
    assert timedelta(minutes=2) == SAVED_UP
