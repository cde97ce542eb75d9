"""An update imported as a browser does it: straight to the storage, in blocks."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from tests.packages import make_package, unique

if TYPE_CHECKING:
    from tests.product import Product

BLOCKS = 3


async def put_in_blocks(session: aiohttp.ClientSession, url: str, content: bytes) -> None:
    size = -(-len(content) // BLOCKS)
    names = []
    for at in range(0, len(content), size):
        name = base64.b64encode(f"{at:08d}".encode()).decode()
        names.append(name)
        target = f"{url}&comp=block&blockid={name.replace('=', '%3D')}"
        async with session.put(target, data=content[at : at + size]) as response:
            assert response.status == HTTPStatus.CREATED, await response.text()
    body = "".join(f"<Latest>{name}</Latest>" for name in names)
    listing = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{body}</BlockList>'
    async with session.put(f"{url}&comp=blocklist", data=listing) as response:
        assert response.status == HTTPStatus.CREATED, await response.text()


async def test_what_a_browser_uploads_is_published(product: Product) -> None:
    package = make_package(unique("model"))
    files = {"update.importmanifest.json": package.manifest, **package.files}

    checked = (await product.rest.request("POST", "updates:validate", package.document))[1]
    _, upload = await product.rest.request(
        "POST", "uploads", {"files": [{"name": name} for name in files]}
    )
    async with aiohttp.ClientSession() as session:
        for target in upload["files"]:
            await put_in_blocks(session, target["url"], files[target["name"]])
            async with session.get(target["url"]) as response:
                assert response.status == HTTPStatus.FORBIDDEN
    body = {"updates": [{"importManifest": "update.importmanifest.json", "friendlyName": "Kiosk"}]}
    headers, _ = await product.rest.request("POST", f"uploads/{upload['uploadId']}:import", body)
    operation = await product.ended(headers["Operation-Location"])

    assert checked["isValid"], checked
    assert operation["status"] == "Succeeded", operation
    found = await product.rest.get(package.path)
    assert found["friendlyName"] == "Kiosk"


async def test_an_import_that_waits_for_its_source_is_cancelled(product: Product) -> None:
    package = make_package(unique("model"))
    _, upload = await product.rest.request("POST", "uploads", {"files": [{"name": "m.json"}]})

    error = await product.error_of(
        f"uploads/{upload['uploadId']}:import",
        "POST",
        {"updates": [{"importManifest": "m.json"}]},
    )
    operation = await product.publish(package)
    late = await product.error_of(
        f"updates/operations/{operation['operationId']}:cancel", "POST", None
    )

    assert (error.status, error.error["code"]) == (HTTPStatus.NOT_FOUND, "FileMissing")
    assert late.status == HTTPStatus.CONFLICT
