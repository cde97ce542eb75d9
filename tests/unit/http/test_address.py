"""Which instance a request is for, whatever its `Host` header says."""

from __future__ import annotations

import pytest

from functions.call import parts_of
from functions.resources import routes
from shared.domain.errors import InvalidInput

(GET_UPDATE,) = (route for route in routes() if route.name == "get_update")
PATH = "/deviceUpdate/factory/updates/providers/acme/names/a%2Fb/versions/1.0"
ROUTED = {"instanceId": "factory", "provider": "acme", "name": "a%2Fb", "version": "1.0"}


def test_values_of_a_path_are_decoded_once() -> None:
    found = parts_of(GET_UPDATE, f"https://du.example{PATH}?api-version=2022-10-01", ROUTED)

    assert found == {"instanceId": "factory", "provider": "acme", "name": "a/b", "version": "1.0"}


@pytest.mark.parametrize(
    "host",
    [
        "x/deviceUpdate/second",
        "x/deviceUpdate/second/updates/providers/acme/names/a%2Fb/versions/1.0?",
        "x?y",
        "x#y",
        "[x",
        "x]",
        "x//y",
    ],
)
def test_host_header_chooses_no_instance_and_breaks_nothing(host: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parts_of(GET_UPDATE, f"https://{host}{PATH}", ROUTED)

    assert refused.value.target == "Host"
