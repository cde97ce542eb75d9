from __future__ import annotations

import json
import stat

import aiohttp
import pytest

from tests.integration.functions_host.support import HostProcess


@pytest.fixture
def key(host: HostProcess) -> dict[str, str]:
    return {"x-functions-key": host.keys["host"]["default"]}


async def test_a_route_answers_without_a_key_when_it_is_anonymous(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    async with web_client.get(f"{host.base}/API/Hello/") as response:
        assert (response.status, await response.text()) == (200, "hello")


@pytest.mark.parametrize(
    ("method", "path", "function", "values"),
    [
        ("GET", "items/12", "numbered_item", {"number": "12"}),
        ("GET", "items/twelve", "free_item", {"name": "twelve"}),
        ("POST", "items/12", "free_item", {"name": "12"}),
        ("POST", "items/d1:cancel", "cancel_item", {"id": "d1"}),
        ("GET", "items/d1:cancel", "free_item", {"name": "d1:cancel"}),
        ("GET", "items/a%2Fb%20c", "free_item", {"name": "a/b c"}),
    ],
)
async def test_a_request_reaches_the_most_specific_function(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    key: dict[str, str],
    method: str,
    path: str,
    function: str,
    values: dict[str, str],
) -> None:
    from yarl import URL

    url = URL(f"{host.base}/api/{path}", encoded=True)
    async with web_client.request(method, url, headers=key) as response:
        facts = await response.json()

    assert (facts["function"], facts["values"]) == (function, values)


async def test_a_function_gets_the_request_as_the_cloud_passes_it(
    host: HostProcess, web_client: aiohttp.ClientSession, key: dict[str, str]
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {**key, "X-Test": "yes", "traceparent": trace}
    url = f"{host.base}/api/items/x?a=1&a=2&empty="
    async with web_client.post(url, data=b"12345", headers=headers) as response:
        facts = await response.json()

    assert facts["query"] == {"a": "1,2"}
    assert (facts["header"], facts["length"], facts["trace"]) == ("yes", 5, trace)
    assert facts["url"] == url


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "items/x", 404),
        ("GET", "nothing", 404),
        ("GET", "boom", 500),
        ("HEAD", "items/x", 200),
        ("OPTIONS", "items/x", 200),
        ("HEAD", "hello", 404),
    ],
)
async def test_the_status_follows_the_rules_of_the_host(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    key: dict[str, str],
    method: str,
    path: str,
    status: int,
) -> None:
    async with web_client.request(method, f"{host.base}/api/{path}", headers=key) as response:
        assert response.status == status
        if status >= 400:
            assert await response.read() == b""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("items/x", {"master", "host"}),
        ("secrets", {"master"}),
        ("hello", {"master", "host", "wrong", "none"}),
    ],
)
async def test_a_function_opens_to_the_keys_of_its_level_only(
    host: HostProcess, web_client: aiohttp.ClientSession, path: str, allowed: set[str]
) -> None:
    given = {
        "master": host.keys["master"],
        "host": host.keys["host"]["default"],
        "wrong": host.keys["master"][:-1] + "?",
    }

    for name in ("master", "host", "wrong", "none"):
        query = {"code": given[name]} if name in given else {}
        async with web_client.get(f"{host.base}/api/{path}", params=query) as response:
            body = await response.read()
        assert response.status == (200 if name in allowed else 401), name
        assert name in allowed or body == b""


async def test_the_key_header_counts_before_the_query(
    host: HostProcess, web_client: aiohttp.ClientSession, key: dict[str, str]
) -> None:
    url = f"{host.base}/api/items/x"
    async with web_client.get(url, params={"code": "wrong"}, headers=key) as response:
        assert response.status == 200


async def test_text_and_cookies_are_answered_as_they_are(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    async with web_client.get(f"{host.base}/api/text") as response:
        assert (response.status, await response.text()) == (200, "plain text")
        assert response.content_type == "text/plain"
    async with web_client.get(f"{host.base}/api/cookies") as response:
        assert response.status == 204
        assert response.headers.getall("Set-Cookie") == ["a=1; HttpOnly; Path=/", "b=2; Path=/"]


async def test_a_body_over_the_limit_is_refused(
    host: HostProcess, web_client: aiohttp.ClientSession, key: dict[str, str]
) -> None:
    async def large() -> object:
        for _ in range(101):
            yield bytes(1 << 20)

    url = f"{host.base}/api/items/x"
    try:
        async with web_client.post(url, data=large(), headers=key) as response:
            assert response.status == 413
    except aiohttp.ClientOSError:
        # The host may hang up before all of the refused body was sent.
        pass


async def test_a_log_line_names_the_function_and_its_invocation(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    await web_client.get(f"{host.base}/api/text")
    await web_client.get(f"{host.base}/api/boom")

    lines = host.log.read_text().splitlines()

    assert any("app [text " in line and "a line | of the function" in line for line in lines)
    assert any("printed by the function" in line for line in lines)
    assert any("host" in line and "boom failed" in line for line in lines)


async def test_the_status_lists_the_functions_for_the_master_key(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    url = f"{host.base}/admin/host/status"
    async with web_client.get(url, headers={"x-functions-key": host.keys["master"]}) as response:
        status = await response.json()
    async with web_client.get(url, params={"code": host.keys["host"]["default"]}) as response:
        refused = response.status

    assert status["state"] == "Running"
    assert {"name": "yearly", "trigger": "TimerTrigger"} in status["functions"]
    assert refused == 401


def test_the_key_file_is_made_for_its_owner_only(host: HostProcess) -> None:
    path = host.log.with_suffix(".keys.json")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())["system"]) == {"eventgrid_extension", "blobs_extension"}
