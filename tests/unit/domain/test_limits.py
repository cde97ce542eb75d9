"""Limits of imports and budgets of requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access import Action
from shared.domain.errors import LimitExceeded
from shared.domain.limits import Budget, Limits, TooManyRequests, check_import
from shared.domain.token_bucket import TokenBucket
from shared.domain.updates.import_manifest import FileEntry, ImportManifest
from shared.domain.updates.update_id import UpdateId
from shared.services.throttle import Throttle


def manifest(*sizes: int) -> ImportManifest:
    files = tuple(
        FileEntry(
            filename=f"{at}.bin",
            size_bytes=size,
            sha256="",
            hashes={},
            properties=None,
            related_files=(),
            download_handler=None,
        )
        for at, size in enumerate(sizes)
    )
    return ImportManifest(
        update_id=UpdateId("acme", "kiosk", "1.0"),
        description=None,
        is_deployable=True,
        compatibility=({"model": "kiosk"},),
        steps=(),
        files=files,
        created_date_time="2024-01-01T00:00:00Z",
        manifest_version="5.0",
        document={},
    )


LIMITS = Limits(file_bytes=100, import_bytes=250, files_per_update=3)


def test_an_import_at_its_limits_passes() -> None:
    check_import([manifest(100, 50, 50), manifest(50)], LIMITS)


@pytest.mark.parametrize(
    ("manifests", "name", "value"),
    [
        ([manifest(101)], "file_bytes", 100),
        ([manifest(100, 100), manifest(51)], "import_bytes", 250),
        ([manifest(1, 1, 1, 1)], "files_per_update", 3),
    ],
)
def test_an_import_above_a_limit_is_told_its_name_and_value(
    manifests: list[ImportManifest], name: str, value: int
) -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_import(manifests, LIMITS)

    assert f"the limit {name} is {value}" in caught.value.message
    assert caught.value.target == name


def test_the_defaults_are_not_below_the_managed_service() -> None:
    limits = Limits()

    assert limits.file_bytes >= 2 << 30
    assert limits.import_bytes >= 2 << 30
    assert limits.files_per_update >= 10
    assert limits.running_operations >= 10
    assert limits.deployments_per_group >= 100
    assert limits.names_per_compatibility >= 1


@given(
    per_minute=st.integers(1, 500),
    waits=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_a_bucket_never_gives_more_than_its_size_and_what_refilled(
    per_minute: int, waits: list[float]
) -> None:
    bucket, now, given_out = TokenBucket(per_minute, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        given_out += bucket.take(now) == 0
        assert given_out <= per_minute + now * per_minute / 60 + 1e-6


@given(per_minute=st.integers(1, 500))
def test_who_waits_as_long_as_told_is_served(per_minute: int) -> None:
    bucket = TokenBucket(per_minute, 5.0)
    for _ in range(per_minute):
        assert bucket.take(5.0) == 0

    wait = bucket.take(5.0)

    assert wait > 0
    assert bucket.take(5.0 + wait + 1e-6) == 0


def test_wait_is_until_one_request_has_refilled() -> None:
    bucket = TokenBucket(6, 0.0)
    for _ in range(6):
        assert bucket.take(0.0) == 0

    assert bucket.take(0.0) == 10.0
    assert bucket.take(4.0) == pytest.approx(6.0)
    assert bucket.take(11.0) == 0
    assert bucket.take(11.0) == pytest.approx(9.0)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = TokenBucket(1, 100.0)
    assert bucket.take(100.0) == 0

    assert bucket.take(10.0) > 0
    assert bucket.take(100.0) > 0


def test_budgets_are_apart_by_instance_and_action() -> None:
    now = [0.0]
    throttle = Throttle(replace(Budget(), read=2, write=1), lambda: now[0])
    throttle.spend("one", Action.UPDATES_READ)
    throttle.spend("one", Action.UPDATES_READ)

    with pytest.raises(TooManyRequests) as caught:
        throttle.spend("one", Action.UPDATES_READ)
    assert "the limit requests_per_minute_read is 2" in caught.value.message
    assert caught.value.target == "requests_per_minute_read"
    assert caught.value.retry_after == pytest.approx(30)

    throttle.spend("two", Action.UPDATES_READ)
    throttle.spend("one", Action.MANAGEMENT_READ)
    throttle.spend("one", Action.UPDATES_WRITE)
    now[0] = 30.0
    throttle.spend("one", Action.UPDATES_READ)
