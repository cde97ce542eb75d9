"""What the unmodified public SDK raises for a token that does not suffice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.conformance.sdk import VERSIONS, sdk

if TYPE_CHECKING:
    from local.stack.running import Stack


async def test_sdk_raises_authentication_error_when_the_token_does_not_hold(
    stack: Stack,
) -> None:
    for is_async in (False, True):
        expired = stack.token(lifetime_seconds=-600)
        async with sdk(stack, is_async=is_async, api_version=VERSIONS[0], token=expired) as client:
            with pytest.raises(ClientAuthenticationError) as raised:
                await client.items("list_updates")
        assert raised.value.status_code == 401
        assert raised.value.error.code == "Unauthorized"


async def test_sdk_raises_an_error_with_403_when_the_role_is_missing(stack: Stack) -> None:
    for is_async in (False, True):
        token = stack.token("Content Reader")
        async with sdk(stack, is_async=is_async, api_version=VERSIONS[0], token=token) as client:
            await client.items("list_updates")
            with pytest.raises(HttpResponseError) as raised:
                await client.items("list_groups")
        assert raised.value.status_code == 403
        assert raised.value.error.code == "Forbidden"
