"""Apply a delta made by `zstd --patch-from`, with the program `zstd`.

The header of the delta is read first: it says how much memory unpacking takes and how large the
result is, and one that wants more than a device gives, or makes another size, is not unpacked. What
comes out can be no larger than the file of the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..contract.codes import Erc
from ..processes import Ending, Program, run, search_path

if TYPE_CHECKING:
    import threading
    from pathlib import Path

MAXIMUM_WINDOW_BYTES = 128 * 1024 * 1024
_WINDOW_LOG = 27
_MAGIC = b"\x28\xb5\x2f\xfd"
_MOST_HEADER_BYTES = 18
_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SECONDS = 3600


class DeltaError(Exception):
    """A delta cannot be used; `erc` says why, the full file is fetched instead."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc


@dataclass(frozen=True)
class FrameHeader:
    """What the first frame of a delta says: bytes of memory, and bytes of content if it does."""

    window_bytes: int
    content_bytes: int | None


def read_frame_header(data: bytes) -> FrameHeader:
    """Read the header of a frame (RFC 8878, section 3.1.1.1).

    Raises:
        ValueError: It is none.
    """
    if data[:4] != _MAGIC or len(data) < 6:
        raise ValueError("it is not packed by zstd")
    descriptor, at = data[4], 5
    is_single = bool(descriptor & 0x20)
    size_bytes = _SIZE_BYTES[descriptor >> 6]
    if is_single and size_bytes == 0:
        size_bytes = 1
    if descriptor & 0x08:
        raise ValueError("it uses what zstd has reserved")
    window = 0
    if not is_single:
        base = 1 << (10 + (data[at] >> 3))
        window, at = base + (base >> 3) * (data[at] & 7), at + 1
    at += _DICTIONARY_BYTES[descriptor & 3]
    field = data[at : at + size_bytes]
    if len(field) != size_bytes:
        raise ValueError("its header ends too early")
    content = None
    if size_bytes:
        content = int.from_bytes(field, "little") + (256 if size_bytes == 2 else 0)
    return FrameHeader(content or 0 if is_single else window, content)


def apply_delta(
    source: Path, delta: Path, target: Path, size: int, cancelled: threading.Event
) -> None:
    """Write to `target` what a delta makes of a source; its hash is the caller's to check.

    Raises:
        DeltaError: The delta is damaged, hostile, of another source, or there is no `zstd`.
    """
    _check_header(delta, size)
    if source.stat().st_size > MAXIMUM_WINDOW_BYTES:
        raise DeltaError(Erc.DELTA_TOO_DEMANDING, "its source is larger than 128 MiB")
    # `ulimit -f` counts blocks of 512 bytes: whatever comes out, the disk does not fill up.
    limited = 'ulimit -f "$0" && exec "$@"'
    unpack = [
        "zstd",
        "--decompress",
        "--quiet",
        "--force",
        f"--long={_WINDOW_LOG}",
        "--no-progress",
    ]
    unpack += [f"--patch-from={source}", str(delta), "-o", str(target)]
    program = Program(
        arguments=["/bin/sh", "-c", limited, str(size // 512 + 1), *unpack],
        environment={"PATH": search_path(), "LC_ALL": "C.UTF-8"},
        folder=target.parent,
        seconds=_SECONDS,
    )
    completed = run(program, cancelled)
    if completed.is_success:
        return
    target.unlink(missing_ok=True)
    if completed.ending is Ending.CANCELLED:
        reason = "it was cancelled"
    elif completed.exit_code == 127:
        reason = "the program zstd is not installed"
    else:
        reason = completed.last_line or f"zstd ended with {completed.exit_code}"
    raise DeltaError(Erc.DELTA_NOT_APPLIED, reason)


def _check_header(delta: Path, size: int) -> None:
    with delta.open("rb") as file:
        data = file.read(_MOST_HEADER_BYTES)
    try:
        header = read_frame_header(data)
    except (ValueError, IndexError) as error:
        raise DeltaError(Erc.DELTA_NOT_APPLIED, f"the delta cannot be read: {error}") from None
    if header.window_bytes > MAXIMUM_WINDOW_BYTES:
        megabytes = header.window_bytes // (1024 * 1024)
        raise DeltaError(Erc.DELTA_TOO_DEMANDING, f"the delta takes {megabytes} MiB of memory")
    if header.content_bytes is not None and header.content_bytes != size:
        message = f"the delta makes {header.content_bytes} bytes, not {size}"
        raise DeltaError(Erc.DELTA_RESULT_WRONG, message)
