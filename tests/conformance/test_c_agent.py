"""What the open-source C agent cannot do, or does badly, and what the service makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.agents import c_agent
from tests.packages import inline_step, make_package, unique

if TYPE_CHECKING:
    from tests.product import Product

SLOW = {"delaySeconds": {"install": 300}}


@c_agent
async def test_update_with_a_detached_manifest_fails_with_the_reason(product: Product) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    files = {f"{'part' * 40}-{number}.bin": f"{name} {number}".encode() for number in range(10)}
    steps = [inline_step(file, criteria=f"{name} {'x' * 400}") for file in files]
    package = make_package(model, name=name, files=files, instructions={"steps": steps})
    await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, failed=1)

        result = (await product.rest.get(f"management/devices/{model}-0"))["lastInstallResult"]

    assert result["extendedResultCode"] == 0x8030000B - 2**32, "signed, as in the public API"


@c_agent
async def test_next_update_waits_until_the_device_has_stopped(product: Product) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    first, second = (make_package(model, name=name, version=one) for one in ("1.0", "2.0"))
    await product.publish(first)
    await product.publish(second)
    async with product.fleet(group, model, 1, **SLOW) as fleet:
        await product.seen(group, 1)
        before = await product.rest.deploy(group, first.update_id)
        await product.until_counts(group, before, in_progress=1)
        after = await product.rest.deploy(group, second.update_id)
        await product.cancel_is_heard(f"{model}-0")

        fleet.simulate(f"{model}-0", {})

        await product.until_counts(group, after, succeeded=1)
        device = await product.rest.get(f"management/devices/{model}-0")
    assert device["installedUpdate"]["updateId"] == second.update_id


@c_agent
async def test_device_that_failed_to_download_has_no_old_steps_run_as_the_next_update(
    product: Product,
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    first, second = (make_package(model, name=name, version=one) for one in ("1.0", "2.0"))
    await product.publish(first)
    await product.publish(second)
    broken = {"download": {"*": {"resultCode": 0, "extendedResultCode": 0x30200100}}}
    async with product.fleet(group, model, 1, **broken) as fleet:
        await product.seen(group, 1)
        before = await product.rest.deploy(group, first.update_id)
        await product.until_counts(group, before, failed=1)
        fleet.simulate(f"{model}-0", {})
        after = await product.rest.deploy(group, second.update_id)
        await product.cancel_is_heard(f"{model}-0")

        await fleet.restart(f"{model}-0")

        await product.until_counts(group, after, succeeded=1)
        ran = fleet.c_agent(f"{model}-0").ran
    assert [(one.reported_as, one.steps) for one in ran] == [
        (ran[0].steps, ran[0].steps),
    ], "one update ran, under its own name"
    assert ran[0].steps is not None
    assert ran[0].steps.version == "2.0"


@c_agent
async def test_failed_device_runs_nothing_at_its_start_once_nobody_wants_it(
    product: Product,
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 1, install={"resultCode": 0}) as fleet:
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, failed=1)
        where = f"management/groups/{group}/deviceClassSubgroups/{class_id}/deployments"
        await product.rest.request("POST", f"{where}/{identity}:cancel")
        await product.cancel_is_heard(f"{model}-0")
        fleet.simulate(f"{model}-0", {})

        await fleet.restart(f"{model}-0")

        async def look() -> None:
            agent = await product.agent_of(f"{model}-0")
            assert agent["lastInstallResult"]["resultCode"] == 200, "told at its start"

        await product.eventually(look)
        assert fleet.c_agent(f"{model}-0").ran == []
