"""Where the service fetches an import from, if not from this machine: links and blob drops."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.manifest_builder import measure
from odu_cli.packages import parse
from odu_cli.rest import Unreachable
from shared.domain.updates.import_manifest import MAX_MANIFEST_BYTES
from shared.domain.updates.source_url import redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from azure.storage.blob.aio import ContainerClient

    from odu_cli.packages import Package
    from odu_cli.target_options import TargetOptions

_FETCH_SECONDS = 60.0
_POLL_SECONDS = 1.0


async def linked_item(
    url: str, files: Mapping[str, str], package: Package | None, friendly_name: str | None
) -> dict[str, Any]:
    """Return the item of an import request for a manifest behind a link.

    Args:
        url: Of the manifest, SAS included.
        files: URLs of files by name; for others, that of the manifest with another last segment,
            which serves if the SAS is one for the container or its directory.
        package: The manifest on this machine; if None, it is read from the link.
        friendly_name: As the update is to be shown.

    Raises:
        Refused: The manifest is not valid, or `files` names others than it.
        Unreachable: The manifest cannot be read.
    """
    data = package.data if package is not None else await _read(url)
    manifest = package.manifest if package is not None else parse(data, redact(url))
    names = [entry.filename for entry in manifest.all_files]
    foreign = sorted(files.keys() - set(names))
    if foreign:
        raise Refused(ExitCode.USAGE, f"the manifest names no file {', '.join(foreign)}")
    size, sha256 = measure(data)
    item: dict[str, Any] = {
        "importManifest": {"url": url, "sizeInBytes": size, "hashes": {"sha256": sha256}},
        "files": [
            {"filename": name, "url": files.get(name) or _beside(url, name)} for name in names
        ],
    }
    if friendly_name is not None:
        item["friendlyName"] = friendly_name
    return item


def _beside(url: str, name: str) -> str:
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{folder}/{quote(name)}"))


async def _read(url: str) -> bytes:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            if response.status != 200:
                raise Unreachable(f"{redact(url)} answers {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                data += chunk
                if len(data) > MAX_MANIFEST_BYTES:
                    break  # the check says how large it may be
            return bytes(data)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = type(error).__name__
        raise Unreachable(f"{redact(url)} cannot be read ({reason})") from error


@asynccontextmanager
async def drop_container(target: TargetOptions, url: str | None) -> AsyncIterator[ContainerClient]:
    """Open the drop container: that of the local stack, or the one at a URL.

    Raises:
        Refused: The URL is missing or not one of a container.
        NotRunning: The local stack is not up.
    """
    from azure.storage.blob.aio import ContainerClient

    if url is None:
        if not target.is_local:
            raise Refused(ExitCode.USAGE, "--drop needs --container URL")
        stack = target.stack()
        container = ContainerClient.from_connection_string(
            stack.storage_connection_string, stack.import_drop_container
        )
        async with container:
            yield container
        return
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.path.strip("/"):
        raise Refused(ExitCode.USAGE, "--container must be the https:// URL of a blob container")
    if parts.query:  # a SAS: it needs nobody's identity
        async with ContainerClient.from_container_url(url) as container:
            yield container
        return
    from azure.identity.aio import DefaultAzureCredential

    async with (
        DefaultAzureCredential() as credential,
        ContainerClient.from_container_url(url, credential=credential) as container,
    ):
        yield container


async def drop_package(container: ContainerClient, folder: str, package: Package) -> str:
    """Upload a package; the name of its status blob to be.

    Raises:
        Refused: The storage does not take it.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    from odu_cli.blob_drop import drop

    try:
        return await drop(container, folder, package.name, package.data, package.files)
    except ClientAuthenticationError as error:
        raise Refused(
            ExitCode.TOKEN, "the storage account lets nobody in; sign in, or use a SAS"
        ) from error
    except AzureError as error:
        reason = str(error.message).splitlines()[0]
        raise Refused(
            ExitCode.UNREACHABLE, f"the drop container takes nothing: {reason}"
        ) from error


async def dropped_operation(container: ContainerClient, status_blob: str) -> str:
    """Wait until the service has answered a drop; the id of the operation that it was."""
    from odu_cli.blob_drop import read_status

    while True:
        status = await read_status(container, status_blob)
        if status is not None:
            return str(status["operationId"])
        await asyncio.sleep(_POLL_SECONDS)
