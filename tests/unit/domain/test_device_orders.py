"""What an order changes of a device: which others it undoes, and how many there may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Conflict, LimitExceeded, NotFound
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.device_orders import (
    included,
    is_excluded_from_everything,
    is_in_force,
    ordered,
    own_of,
    with_own,
    without_own,
)
from shared.domain.fleet.orders import EVERYTHING, MAX_ORDERS, Order, OrderKind, order_of
from shared.domain.rollouts.specification import Window
from tests.builders.decisions import ASKED, STARTED, a_device, canceled
from tests.unit.domain.builders import V1, a_deployment, at_second, busy, failed, succeeded

CANCEL, RETRY, EXCLUDE = OrderKind.CANCEL, OrderKind.RETRY, OrderKind.EXCLUDE
FAILED = a_device(failed())


def order(kind: OrderKind, workflow_id: str = "w1", second: int = 50) -> Order:
    return Order(kind, workflow_id, at_second(second), by="anna", reason="a test")


def kept(record: DeviceRecord) -> list[tuple[OrderKind, str]]:
    return [(each.kind, each.workflow_id) for each in record.orders]


def after(*orders: Order, record: DeviceRecord = FAILED) -> DeviceRecord:
    for each in orders:
        record = ordered(record, each)
    return record


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([CANCEL], [CANCEL]),
        ([CANCEL, CANCEL], [CANCEL]),
        ([EXCLUDE, EXCLUDE], [EXCLUDE]),
        ([RETRY, RETRY], [RETRY]),
        ([CANCEL, RETRY], [RETRY]),
        ([RETRY, CANCEL], [CANCEL]),
        ([EXCLUDE, CANCEL], [EXCLUDE, CANCEL]),
        ([EXCLUDE, RETRY], [EXCLUDE, RETRY]),
        ([CANCEL, EXCLUDE], [CANCEL, EXCLUDE]),
    ],
)
def test_cancel_and_retry_undo_each_other(
    orders: list[OrderKind], expected: list[OrderKind]
) -> None:
    assert kept(after(*map(order, orders))) == [(kind, "w1") for kind in expected]


def test_same_order_again_changes_nothing_but_a_retry_is_the_newest() -> None:
    once = after(order(CANCEL))

    assert ordered(once, order(CANCEL, second=60)) is once
    again = after(order(RETRY), order(RETRY, second=60))
    assert [each.at for each in again.orders] == [at_second(60)]


def test_orders_about_other_deployments_stay() -> None:
    found = after(order(CANCEL, "w2"), order(EXCLUDE, "w2"), order(RETRY))

    assert kept(found) == [(CANCEL, "w2"), (EXCLUDE, "w2"), (RETRY, "w1")]


@pytest.mark.parametrize(
    ("record", "is_taken"),
    [
        (FAILED, True),
        (a_device(asked=canceled(ASKED)), True),
        (a_device(succeeded()), False),
        (a_device(busy()), False),
        (a_device(), False),
        (a_device(asked=None), False),
        (a_device(failed("w2"), asked=replace(ASKED, workflow_id="w2")), False),
    ],
)
def test_only_what_has_failed_or_was_cancelled_last_is_tried_again(
    record: DeviceRecord, is_taken: bool
) -> None:
    if is_taken:
        assert kept(ordered(record, order(RETRY))) == [(RETRY, "w1")]
        return
    with pytest.raises(Conflict, match="nothing to try again") as refused:
        ordered(record, order(RETRY))
    assert (refused.value.code, refused.value.target) == ("NothingToRetry", "deploymentId")
    # a cancel of the device is undone all the same
    assert kept(after(order(CANCEL), order(RETRY), record=record)) == [(RETRY, "w1")]


def test_oldest_order_that_is_done_makes_room() -> None:
    many = [order(CANCEL, f"w{number}", second=90 - number) for number in range(MAX_ORDERS - 1)]
    full = after(order(EXCLUDE, "x", second=1), *many)

    found = ordered(full, order(CANCEL, "new"))

    assert len(full.orders) == len(found.orders) == MAX_ORDERS == 16
    gone = set(full.orders) - set(found.orders)
    assert [each.at for each in gone] == [at_second(90 - (MAX_ORDERS - 2))]
    assert (EXCLUDE, "x") in kept(found)


def test_exclusions_never_make_room() -> None:
    full = after(*(order(EXCLUDE, f"w{number}") for number in range(MAX_ORDERS)))

    with pytest.raises(LimitExceeded, match="excluded from 16 deployments") as refused:
        ordered(full, order(EXCLUDE, "new"))
    assert refused.value.target == "deploymentId"


def test_device_is_included_again() -> None:
    record = after(order(EXCLUDE), order(EXCLUDE, "w2"), order(CANCEL))

    assert kept(included(record, "w1")) == [(EXCLUDE, "w2"), (CANCEL, "w1")]
    assert included(record, "w3") == record
    assert not is_excluded_from_everything(record)
    everything = ordered(record, order(EXCLUDE, EVERYTHING))
    assert is_excluded_from_everything(everything)
    assert not is_excluded_from_everything(included(everything, EVERYTHING))


def test_newest_order_of_a_kind_counts_and_everything_only_for_exclusions() -> None:
    orders = [
        order(CANCEL, second=5),
        order(CANCEL, second=9),
        order(CANCEL, second=7),
        order(EXCLUDE, EVERYTHING, second=3),
    ]

    found = order_of(orders, CANCEL, "w1")
    assert found is not None
    assert found.at == at_second(9)
    assert order_of(orders, CANCEL, "w2") is None
    assert order_of(orders, EXCLUDE, "w2") is orders[3]
    assert order_of([order(CANCEL, EVERYTHING)], CANCEL, "w1") is None


def own(name: str = "mine", **changes: Any) -> Any:
    return a_deployment(f"w-{name}", **{"deployment_id": name, "is_own": True, **changes})


def test_own_deployment_is_kept_once_with_the_windows_of_the_last_request() -> None:
    windows = (Window(cron="0 3 * * *", duration="PT1H"),)
    two = with_own(with_own(STARTED, own("other")), own())

    again = with_own(
        two, replace(own(), own_windows=windows, ignores_device_window=True, workflow_id="w-new")
    )

    assert two.own == (own("other"), own())
    assert again.own == (
        own("other"),
        replace(own(), own_windows=windows, ignores_device_window=True),
    )


def test_id_of_an_own_deployment_means_one_update() -> None:
    with pytest.raises(Conflict, match="use another id") as refused:
        with_own(with_own(STARTED, own()), own(update_id=V1))
    assert (refused.value.code, refused.value.target) == ("Immutable", "/update/updateId")


def test_own_deployments_are_bounded() -> None:
    full = replace(STARTED, own=tuple(own(f"n{number}") for number in range(MAX_ORDERS)))

    with pytest.raises(LimitExceeded, match="16 deployments of its own") as refused:
        with_own(full, own())
    assert refused.value.target == "deploymentId"
    assert len(with_own(replace(full, own=full.own[1:]), own()).own) == MAX_ORDERS


def test_own_deployment_goes_with_the_orders_about_it() -> None:
    record = with_own(with_own(STARTED, own("other")), own())
    record = after(order(CANCEL, "w-mine"), order(CANCEL, "w-other"), record=record)

    found = without_own(record, "mine")

    assert found.own == (own("other"),)
    assert kept(found) == [(CANCEL, "w-other")]
    assert own_of(record, "mine") == own()
    with pytest.raises(NotFound, match="'d1' has no deployment 'mine'") as refused:
        without_own(found, "mine")
    assert refused.value.target == "deploymentId"


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([], True),
        ([order(CANCEL, "w-mine")], False),
        ([order(EXCLUDE, "w-mine")], False),
        ([order(EXCLUDE, EVERYTHING)], False),
        ([order(CANCEL, "w-other")], True),
    ],
)
def test_own_deployment_is_in_force_until_it_is_ended(orders: list[Order], expected: bool) -> None:
    record = after(*orders, record=STARTED)

    assert is_in_force(record, own()) is expected
    assert not is_in_force(record, own(recall_reason="unsafe"))
