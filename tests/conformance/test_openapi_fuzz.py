"""Requests generated from the OpenAPI document: those that fit it, and those that break it.

ODU_FUZZ_EXAMPLES is how many are tried for each operation, half of either kind; the same ones every
time. Most go to things that exist, so that they get past the first look-up.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest

from functions.resources import routes
from shared.http.route import PREFIX
from tests.conformance.fuzzing import fault_in
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.sources import Sources

EXAMPLES = int(os.environ.get("ODU_FUZZ_EXAMPLES") or 20)
OPERATIONS = [f"{route.method} /{PREFIX}/{route.path}" for route in routes()]
MODES = ("positive", "negative")


@pytest.fixture(scope="module")
async def existing(
    stack: Stack, rest: Rest, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """One of everything that a path can name."""
    product = Product(stack, rest, sources, tmp_path_factory.mktemp("devices"))
    group, model = unique("group"), unique("model")
    package = make_package(model)
    operation = await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        device = await rest.get(f"management/devices/{model}-0")
        deployment = await rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1)
    return {
        **package.update_id,
        "instanceId": stack.instance,
        "fileId": (await rest.get(f"{package.path}/files"))["value"][0],
        "operationId": operation["operationId"],
        "groupId": group,
        "deviceId": device["deviceId"],
        "deviceClassId": device["deviceClassId"],
        "deploymentId": deployment,
    }


@pytest.fixture(scope="module")
def faults(
    request: pytest.FixtureRequest, stack: Stack, existing: Mapping[str, str]
) -> Iterator[Mapping[tuple[str, str], Future[str | None]]]:
    """What is found for each operation and mode that is asked for; deletions come last."""
    wanted = [
        (item.callspec.params["operation"], item.callspec.params["mode"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.function is test_operation_answers_as_described
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(2, os.cpu_count() or 2), context) as pool:
        yield {
            (label, mode): pool.submit(
                fault_in,
                label,
                mode,
                max(1, EXAMPLES // 2),
                existing,
                stack.endpoint,
                stack.ca_file,
                stack.token(),
            )
            for label, mode in sorted(wanted, key=lambda each: each[0].startswith("DELETE"))
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(900)
def test_operation_answers_as_described(
    operation: str, mode: str, faults: Mapping[tuple[str, str], Future[str | None]]
) -> None:
    assert faults[operation, mode].result() is None
