"""Tries requests generated for one operation on a running service, in a process of its own."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from functions.resources import routes
from shared.http.models import ErrorResponse
from shared.http.openapi import document
from tests.builders.times import times_without_offset

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
LONGEST_ADDRESS = 8000
"""Servers, Azure's among them, refuse a longer request line before the service sees it."""


@cache
def operations() -> dict[str, Any]:
    """The operations of the OpenAPI document by label."""
    schema = schemathesis.openapi.from_dict(document(routes()))
    return {item.label: item for item in (result.ok() for result in schema.get_all_operations())}


@cache
def session(token: str) -> requests.Session:
    """One session a process."""
    made = requests.Session()
    made.trust_env = False
    made.headers["Authorization"] = f"Bearer {token}"
    return made


def fault_in(
    label: str,
    mode: str,
    examples: int,
    existing: Mapping[str, str],
    endpoint: str,
    ca_file: str,
    token: str,
) -> str | None:
    """The first fault in what the operation answers, with the request; None if there is none."""
    faults: list[str] = []
    strategy = operations()[label].as_strategy(generation_mode=GenerationMode(mode))

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, kept=st.integers(0, 9))
    def check(case: Case, kept: int) -> None:
        if faults:
            return
        for at, name in enumerate(case.path_parameters):
            if at != kept and name in existing:
                case.path_parameters[name] = existing[name]
        response = case.call(base_url=endpoint, session=session(token), verify=ca_file)
        if len(response.request.url or "") > LONGEST_ADDRESS:
            return
        fault = fault_of(case, response.status_code, response.headers, response.content)
        if fault is not None:
            faults.append(f"{fault}: {case.as_curl_command()}")

    check()
    return faults[0] if faults else None


def fault_of(case: Case, status: int, headers: Any, content: bytes) -> str | None:
    """What is wrong with one answer."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the service failed with {status}"
    if str(status) not in case.operation.definition.raw["responses"]:
        return f"{status} is not described"
    if status < HTTPStatus.BAD_REQUEST:
        bare = times_without_offset(msgspec.json.decode(content)) if is_json(headers) else []
        return f"times without an offset: {bare}" if bare else None
    try:
        error = msgspec.json.decode(content, type=ErrorResponse).error
    except msgspec.MsgspecError:
        return f"{status} comes without an error: {content[:100]!r}"
    if not (error.code and error.message):
        return f"{status} says nothing"
    if ("retry-after" in headers) != (status in PASSING):
        return f"{status} and Retry-After do not go together"
    return None


def is_json(headers: Any) -> bool:
    """Whether an answer has a body of JSON."""
    return str(headers.get("content-type", "")).startswith("application/json")
