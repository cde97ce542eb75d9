"""Downloads the logs that devices have uploaded, and other files that links open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odu_cli.arguments import device_reference, quoted
from odu_cli.output import device_name
from odu_cli.rest import Unreachable, path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp

    from odu_cli.rest import Rest

COLLECTIONS = ("management", "deviceDiagnostics", "logCollections")
_PIECE_BYTES = 1 << 20
_SECONDS_WITHOUT_DATA = 60


async def download_logs(
    rest: Rest, collection: str, folder: Path, device: str | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Write the logs of a collection below a folder, by device; yields what was written.

    `device` has only those of a device (with all of its modules) or of a module, as DEVICE/MODULE.

    Devices choose the names of files, so characters that could lead elsewhere are replaced.

    Raises:
        Unreachable: A file cannot be read.
        OSError: A file cannot be written.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_read=_SECONDS_WITHOUT_DATA)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        wanted = None
        if device is not None:
            names = device_reference(device).items()
            wanted = " and ".join(f"{name} eq {quoted(value)}" for name, value in names)
        async for item in rest.items(path(*COLLECTIONS, collection, "files", filter=wanted)):
            target = folder / _place(item)
            target.parent.mkdir(parents=True, exist_ok=True)
            size = await _download(session, str(item["link"]), target)
            yield {
                "deviceId": item["deviceId"],
                "moduleId": item.get("moduleId"),
                "path": str(target),
                "sizeInBytes": size,
            }


async def download_file(link: str, target: Path) -> int:
    """Write what a link opens to a file; its size.

    Raises:
        Unreachable: It cannot be read.
        OSError: The file cannot be written.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_read=_SECONDS_WITHOUT_DATA)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return await _download(session, link, target)


def _place(item: Mapping[str, Any]) -> Path:
    segments = f"{device_name(item)}/{item['fileName']}".split("/")
    safe = (re.sub(r"[^A-Za-z0-9._@=+-]", "_", segment) for segment in segments)
    return Path(*(f"_{segment}" if segment in ("", ".", "..") else segment for segment in safe))


async def _download(session: aiohttp.ClientSession, link: str, target: Path) -> int:
    """Write a file; it appears under its name once it is whole."""
    import aiohttp

    size, unfinished = 0, target.with_name(f"{target.name}.part")
    try:
        async with session.get(link) as response:
            if response.status != 200:
                raise Unreachable(f"the link of {target} answers {response.status}")
            with unfinished.open("wb") as file:
                async for piece in response.content.iter_chunked(_PIECE_BYTES):
                    size += file.write(piece)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(f"{target} cannot be read ({type(error).__name__})") from error
    unfinished.replace(target)
    return size
