from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cloud.eventgrid.blob_watch import SeenBlobs
from local.cloud.eventgrid.store import NewDelivery, Store
from local.cloud.eventgrid.subscriptions import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db")
    store.put_subscription("first", Subscription("topic", "https://localhost/?code=k"))
    yield store
    store.close()


def _add(store: Store, *bodies: str, expires_at: float = 1e12) -> None:
    store.add_deliveries(
        NewDelivery(
            subscription="first",
            event_type="a.type",
            data_version="1",
            body=body,
            accepted_at=0.0,
            expires_at=expires_at,
            due_at=float(number),
        )
        for number, body in enumerate(bodies)
    )


def _batch(store: Store, *, without: set[int] | None = None, **bounds: int) -> list[str]:
    limits = {"max_events": 9, "max_bytes": 99, **bounds}
    found = store.next_batch("first", 100.0, without=without or set(), **limits)
    return [delivery.body for delivery in found]


def test_state_file_is_readable_by_the_owner_alone(store: Store, tmp_path: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_next_batch_is_bounded_by_number_and_bytes(store: Store) -> None:
    _add(store, "aaaa", "bbbb", "cccc")

    assert _batch(store) == ["aaaa", "bbbb", "cccc"]
    assert _batch(store, max_events=2) == ["aaaa", "bbbb"]
    assert _batch(store, max_bytes=11) == ["aaaa", "bbbb"]
    assert _batch(store, max_bytes=1) == ["aaaa"]
    assert _batch(store, without={1, 2}) == ["cccc"]


def test_next_batch_leaves_out_what_is_not_due(store: Store) -> None:
    _add(store, "now", "later")

    found = store.next_batch("first", 0.5, without=(), max_events=9, max_bytes=99)

    assert [delivery.body for delivery in found] == ["now"]
    assert store.next_due_at("first", 0.5) == 1.0


def test_expired_deliveries_are_found_until_they_are_removed(store: Store) -> None:
    _add(store, "a", "b", "c", expires_at=50.0)

    seen = []
    while found := store.expired_deliveries("first", 100.0, without={3}, limit=1):
        seen += [delivery.body for delivery in found]
        store.remove("first", found[0], count_as="dropped")

    assert seen == ["a", "b"]
    counters = store.counters("first")
    assert (counters.pending, counters.dropped) == (1, 2)


def test_transaction_undoes_all_of_its_changes_when_it_fails(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            _add(store, "a")
            with store.transaction():
                store.delete_subscription("first")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert list(store.subscriptions()) == ["first"]
    assert store.counters("first").pending == 0


def test_deleting_a_subscription_forgets_its_deliveries(store: Store) -> None:
    _add(store, "a")

    assert store.delete_subscription("first")
    assert _batch(store) == []


def test_seen_blobs_tell_new_and_changed_names(store: Store) -> None:
    seen = SeenBlobs(store, "imports")

    assert seen.remember({"a": "1", "b": "1"}, None) == {"a", "b"}
    assert seen.remember({"a": "2", "b": "1"}, None) == {"a"}
    assert SeenBlobs(store, "other").remember({"a": "2"}, None) == {"a"}


def test_seen_blobs_forget_what_was_not_marked(store: Store) -> None:
    seen, other = SeenBlobs(store, "imports"), SeenBlobs(store, "other")
    seen.remember({"a": "1", "b": "1"}, None)
    other.remember({"c": "1"}, None)

    seen.remember({"a": "1"}, 7)
    seen.forget_unmarked(7)

    assert (seen.count(), other.count()) == (1, 1)
    assert seen.remember({"a": "1", "b": "1"}, None) == {"b"}
