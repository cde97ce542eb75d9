"""The description of the API, as a running service gives it to anyone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from functions.api_description import description

if TYPE_CHECKING:
    from local.stack.running import Stack


@pytest.mark.parametrize(
    ("path", "kind", "has"),
    [("openapi.json", "application/json", description()), ("openapi", "text/html", "<h1>")],
    ids=["document", "page"],
)
def test_description_is_served_without_a_token(
    stack: Stack, path: str, kind: str, has: str
) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{stack.endpoint}/{path}", verify=stack.ca_file, timeout=30)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    assert has in answer.content.decode()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
