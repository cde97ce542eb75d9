"""Requests generated from the OpenAPI document: those that fit it, and those that break it.

ODU_FUZZ_EXAMPLES is how many are tried for each operation, half of either kind; the same ones every
time. Most go to things that exist, so that they get past the first look-up.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest

from functions.resources import routes
from tests.conformance.fuzzing import fault_in
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.sources import Sources

EXAMPLES = int(os.environ.get("ODU_FUZZ_EXAMPLES") or 20)
OPERATIONS = [f"{route.method} /{route.template}" for route in routes()]
MODES = ("positive", "negative")


@pytest.fixture(scope="module")
async def existing(
    stack: Stack, rest: Rest, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Mapping[str, str]]:
    """One of everything that a path can name, for each operation; deletions have others."""
    product = Product(stack, rest, sources, tmp_path_factory.mktemp("devices"))
    kept, doomed = await one_of_everything(product), await one_of_everything(product)
    return lambda operation: doomed if operation.startswith("DELETE") else kept


async def one_of_everything(product: Product) -> Mapping[str, str]:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    operation = await product.publish(package)
    async with product.fleet(group, model):
        await product.seen(group, 1)
        device = await product.rest.get(f"management/devices/{model}-0")
        deployment = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1)
    return {
        **package.update_id,
        "instanceId": product.stack.instance,
        "fileId": (await product.rest.get(f"{package.path}/files"))["value"][0],
        "operationId": operation["operationId"],
        "groupId": group,
        "deviceId": device["deviceId"],
        "deviceClassId": device["deviceClassId"],
        "deploymentId": deployment,
    }


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """Where requests are made up and sent; it stays for all operations."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(900)
def test_operation_answers_as_described(
    process: ProcessPoolExecutor,
    stack: Stack,
    existing: Callable[[str], Mapping[str, str]],
    operation: str,
    mode: str,
) -> None:
    examples = max(1, EXAMPLES // 2)
    where = (existing(operation), stack.endpoint, stack.ca_file, stack.token())

    assert process.submit(fault_in, operation, mode, examples, *where).result() is None
