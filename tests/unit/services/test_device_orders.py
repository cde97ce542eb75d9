"""What operators order for one device, and the explanations that follow from it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.domain.errors import Conflict, DeviceUpdateError, LimitExceeded, NotFound
from shared.domain.fleet.device_orders import ordered
from shared.domain.fleet.explain import Verdict
from shared.domain.fleet.orders import EVERYTHING, MAX_ORDERS, Order, OrderKind
from shared.domain.rollouts.specification import Rollout
from shared.domain.updates.update_id import UpdateId
from shared.services.deployments.device_orders import DeviceOrders, OwnRequest
from tests.builders.deployments import AT_ONCE, SOON, a_world, an_update, deploy, desired
from tests.builders.devices import record
from tests.builders.explained import explained, verdict
from tests.unit.domain.builders import V1, V2, a_change, a_record, busy, failed, succeeded
from tests.unit.services.world import INSTANCE, World

D1 = (INSTANCE, "d1", None)


def orders_of(world: World) -> DeviceOrders:
    return world.services.deployments.device_orders


async def order(
    world: World, kind: OrderKind, deployment: str = "roll-1", group: str | None = None
) -> None:
    await orders_of(world).order(D1, deployment, kind, group=group, by="anna", reason="a test")
    await world.drain()


async def workflow(world: World, deployment_id: str = "roll-1") -> str:
    return (await world.deployment(deployment_id)).workflow_id


async def test_an_own_deployment_goes_before_that_of_the_group() -> None:
    world = await a_world()
    await deploy(world)

    request = OwnRequest("mine", V1, AT_ONCE)
    first = await orders_of(world).deploy(D1, request, "anna")
    await world.tell(a_change(3, succeeded(V2, (await record(world)).commanded.workflow_on_device)))
    await world.drain()

    again = await orders_of(world).deploy(D1, request, "anna")
    assert again == first
    assert (await record(world)).commanded.update_id == V1
    assert await verdict(world, V1) == (Verdict.IN_PROGRESS, "AskedNoSign")
    assert (await verdict(world, V2))[0] is Verdict.HAS


async def test_an_own_deployment_that_is_forgotten_is_taken_back() -> None:
    world = await a_world()
    await orders_of(world).deploy(D1, OwnRequest("mine", V2, AT_ONCE), "anna")
    await world.drain()
    assert desired(world)["workflow"]["action"] == 3

    await orders_of(world).withdraw(D1, "mine")
    await world.drain()

    assert desired(world)["workflow"]["action"] == 255
    with pytest.raises(NotFound):
        await orders_of(world).withdraw(D1, "mine")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (OwnRequest("mine", UpdateId("acme", "kiosk", "9.0"), AT_ONCE), NotFound),
        (OwnRequest("MINE", V2, AT_ONCE), DeviceUpdateError),
    ],
)
async def test_an_own_deployment_is_refused_when_it_could_not_work(
    request_: OwnRequest, error: type[Exception]
) -> None:
    world = await a_world()

    with pytest.raises(error):
        await orders_of(world).deploy(D1, request_, "anna")
    assert (await record(world)).own == ()


async def test_an_id_that_deploys_something_else_is_refused() -> None:
    world = await a_world()
    await orders_of(world).deploy(D1, OwnRequest("mine", V2, SOON), "anna")

    with pytest.raises(Conflict) as refused:
        await orders_of(world).deploy(D1, OwnRequest("mine", V1, SOON), "anna")
    assert refused.value.code == "Immutable"


async def test_an_excluded_device_is_not_asked_until_it_is_included() -> None:
    world = await a_world()
    await world.deploy.create(INSTANCE, _request(starts_at=SOON))
    await order(world, OrderKind.EXCLUDE)
    await order(world, OrderKind.EXCLUDE)
    world.clock.advance(7200)
    await world.deploy.create(INSTANCE, _request(starts_at=SOON))
    await world.drain()

    assert world.hub.patches == []
    assert len((await record(world)).orders) == 1
    assert await verdict(world) == (Verdict.WILL_NOT, "Excluded")
    (excluded,) = [each for each in (await explained(world)).reasons if each.decides]
    assert "anna excluded the device at" in excluded.message
    assert excluded.data["reason"] == "a test"

    await orders_of(world).include(D1, "roll-1", group=None)
    await world.drain()

    assert (await verdict(world))[0] is Verdict.IN_PROGRESS


async def test_a_device_can_be_excluded_from_everything() -> None:
    world = await a_world()
    await order(world, OrderKind.EXCLUDE, EVERYTHING)
    await deploy(world)

    assert await verdict(world) == (Verdict.WILL_NOT, "Excluded")


async def test_a_cancel_reaches_one_device_alone() -> None:
    world = await a_world("d1", "d2")
    await deploy(world)

    await order(world, OrderKind.CANCEL)

    assert desired(world)["workflow"]["action"] == 255
    assert desired(world, "d2")["workflow"]["action"] == 3
    assert (await verdict(world))[1] == "CanceledForDevice"


async def test_a_retry_asks_a_failed_device_again_and_no_other() -> None:
    world = await a_world("d1", "d2")
    await deploy(world)
    name = await workflow(world)
    await world.tell(a_change(3, failed(name)), a_change(3, failed(name), device_id="d2"))
    await world.drain()
    assert (await verdict(world))[0] is Verdict.FAILED

    await order(world, OrderKind.RETRY)

    assert (await record(world)).commanded.retry_count == 1
    assert (await record(world, "d2")).commanded.retry_count == 0
    assert (await verdict(world))[0] is Verdict.IN_PROGRESS


def test_a_retry_undoes_a_cancel_of_what_the_device_was_not_asked_yet() -> None:
    cancel = Order(OrderKind.CANCEL, "w1", AT_ONCE)
    retry = Order(OrderKind.RETRY, "w1", SOON)

    record = ordered(ordered(a_record(), cancel), retry)

    assert record.orders == (retry,)


async def test_a_retry_has_a_cancelled_device_asked_again() -> None:
    world = await a_world("d1")
    await deploy(world)
    await order(world, OrderKind.CANCEL)
    assert desired(world)["workflow"]["action"] == 255

    await order(world, OrderKind.RETRY)

    assert desired(world)["workflow"]["action"] == 3
    assert (await verdict(world))[0] is Verdict.IN_PROGRESS


async def test_a_retry_of_what_has_not_failed_is_refused() -> None:
    world = await a_world()
    await deploy(world)

    with pytest.raises(Conflict) as refused:
        await order(world, OrderKind.RETRY)
    assert refused.value.code == "NothingToRetry"


async def test_an_order_names_a_deployment_that_exists() -> None:
    world = await a_world()
    await deploy(world)

    with pytest.raises(NotFound):
        await order(world, OrderKind.CANCEL, "other")
    with pytest.raises(NotFound):
        await order(world, OrderKind.CANCEL, "roll-1", group="lobby")
    with pytest.raises(NotFound):
        await orders_of(world).order(
            (INSTANCE, "nobody", None), "roll-1", OrderKind.CANCEL, group=None, by="", reason=""
        )


async def test_a_row_keeps_so_many_orders_and_exclusions_longest() -> None:
    world = await a_world()
    known = await record(world)
    for number in range(MAX_ORDERS + 3):
        known = ordered(known, Order(OrderKind.CANCEL, f"w{number:02}", f"t{number:02}"))
    known = ordered(known, Order(OrderKind.EXCLUDE, "w99", "t99"))
    assert len(known.orders) == MAX_ORDERS
    assert known.orders[0].workflow_id == "w04"

    for number in range(MAX_ORDERS - 1):
        known = ordered(known, Order(OrderKind.EXCLUDE, f"w{number:02}", f"t{number:02}"))
    assert {each.kind for each in known.orders} == {OrderKind.EXCLUDE}
    with pytest.raises(LimitExceeded):
        ordered(known, Order(OrderKind.CANCEL, "more", "t99"))


def _request(**changes: Any) -> Any:
    from tests.builders.deployments import a_request

    return a_request(**changes)


async def test_explain_says_what_concerns_the_device_or_the_update() -> None:
    world = await a_world()
    assert await verdict(world, device="nobody") == (Verdict.WILL_NOT, "DeviceUnknown")
    assert await verdict(world, UpdateId("acme", "kiosk", "9.0")) == (
        Verdict.WILL_NOT,
        "UpdateUnknown",
    )
    assert await verdict(world) == (Verdict.WILL_NOT, "NoDeployment")

    gate = UpdateId("acme", "gate", "1.0")
    await world.updates.add(INSTANCE, an_update(gate, compatibility=({"manufacturer": "x"},)))
    assert await verdict(world, gate) == (Verdict.WILL_NOT, "NotCompatible")
    (nearest,) = [each for each in (await explained(world, gate)).reasons if each.decides]
    assert nearest.data == {"property": "manufacturer", "wants": "x", "has": "acme"}


async def test_explain_says_to_which_groups_it_is_deployed() -> None:
    world = await a_world("d1", "d2")
    await world.tell(a_change(3, group="lobby", device_id="d2"))
    await deploy(world, group_id="lobby")

    (why,) = [each for each in (await explained(world)).reasons if each.decides]

    assert why.message == "It is deployed to 'lobby'; the device is in '$default'."


async def test_explain_follows_a_device_through_a_deployment() -> None:
    world = await a_world()
    await world.deploy.create(INSTANCE, _request(starts_at=SOON))
    assert await verdict(world) == (Verdict.WAITS, "NotStarted")

    world.clock.advance(7200)
    assert await verdict(world) == (Verdict.WILL_GET, "Queued")

    await world.drain()
    assert await verdict(world) == (Verdict.IN_PROGRESS, "AskedNoSign")
    name = await workflow(world)

    await world.tell(a_change(3, busy(name)))
    assert await verdict(world) == (Verdict.IN_PROGRESS, "InProgress")

    await world.tell(a_change(4, failed(name)))
    assert await verdict(world) == (Verdict.FAILED, "Failed")

    await world.tell(a_change(5, succeeded(V2, name)))
    assert await verdict(world) == (Verdict.HAS, "Installed")
    assert await verdict(world, None) == (Verdict.HAS, "Installed")


async def test_explain_says_what_came_before_a_deployment() -> None:
    world = await a_world()
    await deploy(world, deployment_id="old", update_id=V1)
    await deploy(world, deployment_id="new")

    (why,) = [each for each in (await explained(world, V1)).reasons if each.decides]

    assert why.code == "Superseded"
    assert why.data["by"] == "new"


async def test_explain_says_in_which_phase_a_device_comes() -> None:
    world = await a_world("d1")
    phases = [{"select": {"percent": 0.01}}, {"name": "rest", "select": {"percent": 100}}]
    rollout = msgspec.convert({"phases": phases, "seed": "a"}, Rollout)
    await deploy(world, rollout=rollout)

    found = await explained(world)
    (why,) = [each for each in found.reasons if each.decides]

    assert (found.verdict, why.code) == (Verdict.WAITS, "PhaseNotReached")
    assert (why.data["phase"], why.data["name"], why.data["open"]) == (2, "rest", 1)


async def test_explain_says_who_has_to_approve() -> None:
    world = await a_world()
    rollout = msgspec.convert(
        {"phases": [{"select": {"percent": 100}}], "approval": "Required"}, Rollout
    )
    await deploy(world, rollout=rollout)

    assert world.hub.patches == []
    assert await verdict(world) == (Verdict.WAITS, "AwaitingApproval")
