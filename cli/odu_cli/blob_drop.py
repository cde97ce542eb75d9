"""Import by blob drop: an update laid into the drop container, and the answer beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.topology import IMPORT_MANIFEST_SUFFIX, IMPORT_STATUS_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.storage.blob.aio import ContainerClient


async def drop(
    container: ContainerClient,
    folder: str,
    name: str,
    manifest: bytes,
    files: Mapping[str, Path | bytes],
) -> str:
    """Upload an update, the manifest last, since it starts the import.

    Args:
        container: The drop container.
        folder: Where in it, without a slash at the end.
        name: Of the manifest, without its suffix.
        manifest: The import manifest.
        files: What it names.

    Returns:
        The name of the status blob that the service will write.
    """
    for file_name, content in files.items():
        blob = f"{folder}/{file_name}"
        if isinstance(content, bytes):
            await container.upload_blob(blob, content, overwrite=True)
            continue
        with content.open("rb") as stream:  # read piece by piece as it is sent
            await container.upload_blob(blob, stream, overwrite=True)
    await container.upload_blob(
        f"{folder}/{name}{IMPORT_MANIFEST_SUFFIX}", manifest, overwrite=True
    )
    return f"{folder}/{name}{IMPORT_STATUS_SUFFIX}"


async def read_status(container: ContainerClient, name: str) -> dict[str, Any] | None:
    """The status blob beside a dropped manifest; None until there is one."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        blob = await container.download_blob(name)
    except ResourceNotFoundError:
        return None
    status: dict[str, Any] = json.loads(await blob.readall())
    return status
