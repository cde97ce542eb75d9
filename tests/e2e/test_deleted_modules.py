"""Modules that are deleted from the hub, by themselves or with their device."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.packages import unique

if TYPE_CHECKING:
    from tests.product import Product


@pytest.mark.parametrize("goes_with_its_device", [False, True])
async def test_deleted_module_goes_from_lists_counts_and_groups(
    product: Product, goes_with_its_device: bool
) -> None:
    group, model = unique("group"), unique("model")
    async with product.module(group, model) as (device_id, module_id):
        await product.seen(group, 1)
    hub = product.hub()

    if goes_with_its_device:
        await asyncio.to_thread(hub.delete_device, device_id)
    else:
        await asyncio.to_thread(hub.delete_module, device_id, module_id)

    await product.seen(group, 0)
    place = f"management/devices/{device_id}/modules/{module_id}"
    assert (await product.error_of(place)).status == 404
