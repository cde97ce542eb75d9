from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.azurite import KEY
from tests.processes import start_server

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from tests.certificates import Certificates

KEYS = {"EVENT_GRID_KEY": "k", "EVENT_GRID_ADMIN_KEY": "a"}


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        ((), {"EVENT_GRID_KEY": "k"}, "EVENT_GRID_ADMIN_KEY is missing"),
        (("--watch-container", "imports"), KEYS, "needs the environment variable WATCH_STORAGE"),
        (("--time-scale", "0"), KEYS, "a number above 0"),
    ],
)
async def test_start_is_refused_with_the_reason(
    certificates: Certificates,
    tmp_path: Path,
    arguments: tuple[str, ...],
    env: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(AssertionError, match=message):
        async with start_server(
            "local.cloud.eventgrid",
            *("--state", tmp_path, *certificates.serving_arguments, *arguments),
            env=env,
        ):
            pass


async def test_dead_letter_container_is_refused_without_storage(
    certificates: Certificates, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with start_server(
        "local.cloud.eventgrid", "--state", tmp_path, *certificates.serving_arguments, env=KEYS
    ) as server:
        wanted = {
            "topic": "topic",
            "endpoint": "https://localhost:1/",
            "deadLetterContainer": "deadletter",
        }
        async with session.put(
            f"{server.url}/admin/subscriptions/first",
            json=wanted,
            headers={"aeg-admin-key": "a"},
        ) as response:
            assert response.status == 400
            assert "deadLetterContainer" in (await response.json())["error"]["message"]


async def test_watched_storage_that_cannot_be_reached_does_not_end_the_server(
    certificates: Certificates, tmp_path: Path
) -> None:
    nowhere = f"AccountName=a;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/a"
    async with start_server(
        "local.cloud.eventgrid",
        *("--state", tmp_path, "--watch-container", "imports", *certificates.serving_arguments),
        env={**KEYS, "WATCH_STORAGE": nowhere},
    ) as server:
        await server.wait_for_log("cannot list container imports: ServiceRequestError")

        assert await server.stop() == 0
