"""Whether the hub takes a command: its limits on the desired properties of a twin.

Source: "Understand and use device twins in IoT Hub". Text counts by its UTF-8 bytes, numbers as 8,
keys count as well, metadata does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contract.twin import DEVICE_UPDATE, SERVICE
from shared.domain.errors import LimitExceeded
from shared.domain.updates.update_id import UpdateId

MAX_DESIRED_BYTES = 32 * 1024
RESERVED_BYTES = 2 * 1024
"""Left for what else stands in a twin (a request for logs, settings of others), and because links
differ by some bytes from one to the next."""
MAX_STRING_BYTES = 4 * 1024
_LONGEST_WORKFLOW = 64
_NUMBER, _BOOLEAN = 8, 4
TOO_LARGE = "CommandTooLarge"
_AT_FAULT = {"updateManifest": "/compatibility", "updateManifestSignature": None}


def measured(value: Any) -> int:
    """The size of a value as the hub counts it, in bytes."""
    if isinstance(value, Mapping):
        return sum(len(key.encode()) + measured(item) for key, item in value.items())
    if isinstance(value, str):
        return len(value.encode())
    if value is None:
        return 0
    return _BOOLEAN if isinstance(value, bool) else _NUMBER


def check_command(
    update_id: UpdateId, patch: Mapping[str, Any], own_files: int, target: str | None = None
) -> None:
    """Let the command of an update pass, or refuse it because no twin could hold it.

    Args:
        update_id: The update.
        patch: The desired properties that ask for it.
        own_files: How many of its links are of its own files; the others are of its children's.
        target: Where a request names the update; by default what is at fault in its manifest.

    Raises:
        LimitExceeded: `CommandTooLarge`, with the limit and what is at fault.
    """
    service = patch[DEVICE_UPDATE][SERVICE]
    for name, value in service.items():
        if isinstance(value, str) and len(value.encode()) > MAX_STRING_BYTES:
            raise LimitExceeded(
                f"The {name} of update '{update_id}' has {len(value.encode()):,} bytes; the limit "
                f"twin_string_bytes of IoT Hub is {MAX_STRING_BYTES:,}.",
                code=TOO_LARGE,
                target=target or _AT_FAULT.get(name),
            )
    size, most = measured(patch) + _LONGEST_WORKFLOW, MAX_DESIRED_BYTES - RESERVED_BYTES
    if size <= most:
        return
    links = service["fileUrls"]
    average = measured(links) / len(links) if links else 0
    is_of_own = own_files * average > most - (size - measured(links))
    raise LimitExceeded(
        f"Devices would be given {len(links)} links for update '{update_id}', {size:,} bytes with "
        f"the manifest; the limit command_bytes is {most:,} of the {MAX_DESIRED_BYTES:,} bytes "
        "that IoT Hub allows for the desired properties of a twin. Put files together into "
        "archives, or divide the update.",
        code=TOO_LARGE,
        target=target or ("/files" if is_of_own else "/instructions/steps"),
    )
