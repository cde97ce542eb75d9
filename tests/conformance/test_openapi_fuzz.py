"""Requests generated from the OpenAPI document: those that fit it, and those that break it.

ODU_FUZZ_EXAMPLES is how many are tried for each operation, half of either kind; the same ones every
time. Most go to things that exist, so that they get past the first look-up.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from functions.resources import routes
from shared.http.models import ErrorResponse
from shared.http.openapi import document
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.sources import Sources

EXAMPLES = int(os.environ.get("ODU_FUZZ_EXAMPLES") or 20)
SCHEMA = schemathesis.openapi.from_dict(document(routes()))
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
LONGEST_ADDRESS = 8000
"""Servers, Azure's among them, refuse a longer request line before the service sees it."""


@pytest.fixture(scope="module")
def session(stack: Stack) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.headers["Authorization"] = f"Bearer {stack.token()}"
        yield made


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


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: item.label)
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda item: item.value)
@pytest.mark.timeout(600)
def test_operation_answers_as_described(
    operation: Any,
    mode: GenerationMode,
    stack: Stack,
    existing: Mapping[str, str],
    session: requests.Session,
) -> None:
    @settings(
        max_examples=max(1, EXAMPLES // 2),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), kept=st.integers(0, 9))
    def check(case: Case, kept: int) -> None:
        for at, name in enumerate(case.path_parameters):
            if at != kept and name in existing:
                case.path_parameters[name] = existing[name]
        response = case.call(base_url=stack.endpoint, session=session, verify=stack.ca_file)
        if len(response.request.url or "") <= LONGEST_ADDRESS:
            assert_described(case, response.status_code, response.headers, response.content)

    check()


def assert_described(case: Case, status: int, headers: Any, content: bytes) -> None:
    fault = fault_of(case, status, headers, content)
    assert fault is None, f"{fault}: {case.as_curl_command()}"


def fault_of(case: Case, status: int, headers: Any, content: bytes) -> str | None:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the service failed with {status}"
    if str(status) not in case.operation.definition.raw["responses"]:
        return f"{status} is not described"
    if status < HTTPStatus.BAD_REQUEST:
        return None
    try:
        error = msgspec.json.decode(content, type=ErrorResponse).error
    except msgspec.MsgspecError:
        return f"{status} comes without an error: {content[:100]!r}"
    if not (error.code and error.message):
        return f"{status} says nothing"
    if ("retry-after" in headers) != (status in PASSING):
        return f"{status} and Retry-After do not go together"
    return None
