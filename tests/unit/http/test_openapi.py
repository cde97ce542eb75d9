"""The OpenAPI document: complete, consistent, and the committed copy up to date."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from functions.api_description import description
from functions.resources import routes
from shared.http.openapi import document
from shared.http.openapi_page import page

COPY = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return document(routes())


def operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for operation in methods.values():
            yield path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "$ref":
                yield member
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_committed_copy_is_current() -> None:
    assert COPY.read_text() == description(), "refresh it: ./odu openapi > docs/openapi.json"


def test_every_served_operation_is_described_once(made: dict[str, Any]) -> None:
    described = [operation["operationId"] for _, operation in operations(made)]

    assert sorted(described) == sorted(route.name for route in routes())
    assert len(described) == len(set(described))


def test_every_reference_leads_to_something(made: dict[str, Any]) -> None:
    for reference in set(references(made)):
        place: Any = made
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_schema_is_a_json_schema(made: dict[str, Any]) -> None:
    for schema in made["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_value_in_a_path_is_a_required_parameter(made: dict[str, Any]) -> None:
    for path, operation in operations(made):
        given = [item["name"] for item in operation["parameters"] if item["in"] == "path"]
        assert given == re.findall(r"{(\w+)}", path)


def test_every_operation_says_which_errors_it_may_answer(made: dict[str, Any]) -> None:
    for _, operation in operations(made):
        assert {"400", "401", "403", "404", "429", "503"} <= operation["responses"].keys()


def test_what_may_pass_says_when_to_come_back_and_what_is_final_does_not(
    made: dict[str, Any],
) -> None:
    for name, response in made["components"]["responses"].items():
        passes = name in ("TooManyRequests", "ServiceUnavailable")
        assert ("Retry-After" in response.get("headers", {})) == passes


def test_the_page_shows_every_operation_and_loads_nothing_from_outside(
    made: dict[str, Any],
) -> None:
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    text = page(json.loads(json.dumps(made)))
    Reader().feed(text)

    assert not {tag for tag, _ in seen} & {"script", "img", "iframe", "link"}
    targets = {str(attributes["href"]) for tag, attributes in seen if tag == "a"}
    ids = {f"#{attributes['id']}" for _, attributes in seen if "id" in attributes}
    assert targets <= ids | {"openapi.json"}
    assert sum(tag == "details" for tag, _ in seen) >= len(routes())
    for path, _ in operations(made):
        assert path in text
