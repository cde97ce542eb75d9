"""The process that makes a delta: `python -m shared.adapters.deltas.worker SOURCE TARGET DELTA N`.

Writes JSON objects, one a line: how far it has come, and at last size and SHA-256 of the delta, or
why there is none of at most N bytes. The format is that of
`zstd -19 --long=27 --patch-from=SOURCE TARGET`, which agents apply with that program: a frame whose
dictionary is the raw source, and whose window is at most 128 MiB.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any

LEVEL = 19
WINDOW_LOG = 27
EXTRA_BYTES = 300 << 20
"""What the tables of level 19 take besides the two files, the interpreter included."""
_CHUNK_BYTES = 1 << 20
_TELL_SECONDS = 2.0
_STACK_BYTES = 1 << 20
_MOST_REASON = 200


def make(source: Path, target: Path, delta: Path, most_bytes: int) -> dict[str, Any]:
    """Make a delta and apply it; what came of it."""
    import zstandard

    old, new = _mapped(source), _mapped(target)
    _bound_memory(len(old) + len(new) + EXTRA_BYTES)
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, window_log=WINDOW_LOG, enable_ldm=True, write_content_size=True
    )
    packer = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)
    with _telling_progress(target):
        packed = packer.compress(new)
    if len(packed) > most_bytes:
        return {"sizeBytes": len(packed)}
    del packer
    delta.write_bytes(packed)
    if _applied(zstandard, dictionary, delta) != hashlib.sha256(new).digest():
        return {"failed": "the delta does not make the file that it was made for"}
    digest = base64.b64encode(hashlib.sha256(packed).digest()).decode()
    return {"sizeBytes": len(packed), "sha256": digest}


@contextmanager
def _telling_progress(target: Path) -> Iterator[None]:
    """Tell how much of the target has been looked at.

    zstd says nothing of that where it takes a file as a whole, which saves the memory of a copy.
    But it goes through the mapped file from its beginning, and Linux knows how much is mapped.
    """
    ended = threading.Event()

    def tell() -> None:
        told = 0
        while not ended.wait(_TELL_SECONDS):
            done = _looked_at(target)
            if done > told:
                sys.stdout.write(json.dumps({"doneBytes": done}) + "\n")
                sys.stdout.flush()
                told = done

    threading.stack_size(_STACK_BYTES)  # it counts as memory
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _looked_at(path: Path) -> int:
    """Bytes of a mapped file that this process has touched; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/smaps").read_text().splitlines()
    except OSError:
        return 0
    of_file = dropwhile(lambda line: not line.endswith(f" {path}"), lines)
    resident = next((line for line in of_file if line.startswith("Rss:")), "Rss: 0 kB")
    return int(resident.split()[1]) * 1024


def _applied(zstandard: Any, dictionary: Any, delta: Path) -> bytes:
    """The SHA-256 of what a delta makes, in pieces."""
    unpacker = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=1 << WINDOW_LOG)
    digest = hashlib.sha256()
    with delta.open("rb") as file, unpacker.stream_reader(file) as reader:
        while piece := reader.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.digest()


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _bound_memory(size: int) -> None:
    """Files that are only mapped do not count: the system can take their pages back."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size, most))


def _reason(error: Exception) -> str:
    """What zstd says where it cannot have memory is no MemoryError."""
    is_memory = isinstance(error, MemoryError) or "llocat" in str(error)
    return "it takes more memory than it may have" if is_memory else str(error)[:_MOST_REASON]


def main(source: str, target: str, delta: str, most_bytes: str) -> None:
    """Make one delta."""
    import zstandard

    try:
        made = make(Path(source), Path(target), Path(delta), int(most_bytes))
    except (MemoryError, zstandard.ZstdError) as error:
        made = {"failed": _reason(error)}
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
