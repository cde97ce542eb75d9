"""The device agent: downloads beside `curl`, its memory, and many agents at one hub.

Both fetch the same file from the same server in turns; the agent's figure includes the hash of the
file, which `curl` does not count.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.harness import Options, Result, compared, in_turns
from bench.images import _rate

_MIB = 1 << 20
_SIZE, _QUICK_SIZE = 2048 * _MIB, 256 * _MIB
_ROUNDS = 3
_AGENT = Path(__file__).parents[1] / "agent"
_FETCH = """\
import json, sys, threading, time
from pathlib import Path
from odu_agent.contract.manifest import ManifestFile
from odu_agent.download import Downloader
url, size, digest, target = json.loads(sys.argv[1])
file, downloader = ManifestFile("f", size, {"sha256": digest}), Downloader()
began = time.monotonic()
downloader.fetch(url, file, Path(target), threading.Event())
seconds = time.monotonic() - began
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak[0], seconds)
"""
_IDLE = """\
import asyncio
import odu_agent.__main__, odu_agent.agent, odu_agent.hub.link, paho.mqtt.client, ssl
ssl.create_default_context()
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")][0])
"""


async def run(options: Options) -> Sequence[Result]:
    """Measure in MiB per second."""
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as name:
        content = await asyncio.to_thread(_content, Path(name), options)
        with _serving(content.file) as url:
            rates = await in_turns(
                _ROUNDS,
                {
                    "figure": partial(content.by_agent, url),
                    "ceiling": _rate(content.size, partial(content.by_curl, url)),
                },
                options.say,
            )
    idle = int(await asyncio.to_thread(_python, _IDLE)) // 1024
    notes = {
        "MiB": content.size // _MIB,
        "MiB of memory at most": max(content.peaks) // 1024,
        "MiB of memory when idle": idle,
    }
    return [compared("download by the agent", "MiB/s", *rates.values(), notes=notes)]


@dataclass(frozen=True, slots=True)
class _Content:
    file: Path
    size: int
    digest: str
    peaks: list[int]

    async def by_agent(self, url: str) -> float:
        """As in an agent that runs already: its own start is not counted."""
        target = self.file.with_name("by-agent")
        arguments = json.dumps([url, self.size, self.digest, str(target)])
        peak, seconds = (await asyncio.to_thread(_python, _FETCH, arguments)).split()
        self.peaks.append(int(peak))
        target.unlink()
        return self.size / _MIB / float(seconds)

    def by_curl(self, url: str) -> None:
        target = self.file.with_name("by-curl")
        subprocess.run(["curl", "--silent", "--output", str(target), url], check=True)
        target.unlink()


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(_AGENT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _content(folder: Path, options: Options) -> _Content:
    size = _QUICK_SIZE if options.quick else _SIZE
    file, digest, block = folder / "content", hashlib.sha256(), os.urandom(_MIB)
    with file.open("wb") as output:
        for _ in range(size // _MIB):
            output.write(block)
            digest.update(block)
    return _Content(file, size, base64.b64encode(digest.digest()).decode(), [])


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        self.wfile.flush()
        self.connection.sendfile(source)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _serving(file: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(file.parent)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{file.name}"
    finally:
        server.shutdown()
        server.server_close()
