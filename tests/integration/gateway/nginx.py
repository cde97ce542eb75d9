"""Debian's nginx as the cache on a gateway, in the form of Microsoft Connected Cache."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.waiting import eventually

_CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache levels=1 keys_zone=content:1m max_size=1g use_temp_path=off;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      # The query holds the signature of the link, which differs from device to device.
      proxy_cache content;
      proxy_cache_key "$arg_cacheHostOrigin$uri";
      proxy_cache_valid 200 1d;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 10m;
      proxy_cache_lock_age 10m;
      proxy_set_header Host $arg_cacheHostOrigin;
      proxy_pass http://127.0.0.1:{origin};
    }}
    location ~ ^/deviceUpdate/[^/]+/rootKeys/ {{
      proxy_set_header Host $arg_cacheHostOrigin;
      proxy_ssl_server_name on;
      proxy_ssl_name $arg_cacheHostOrigin;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {authorities};
      proxy_pass https://127.0.0.1:{service};
    }}
  }}
}}
"""

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


@asynccontextmanager
async def caching(
    folder: Path, origin: int, service: int = 9, authorities: Path = _AUTHORITIES
) -> AsyncIterator[str]:
    """Run a cache in front of an origin and a service on loopback; gives its URL."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program, "nginx is missing: ./odu test installs the package nginx-light"
    port = _free_port()
    file = folder / "nginx.conf"
    # As root, nginx would give its workers a user that cannot see the folder of a test.
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(
        user=user,
        folder=folder,
        port=port,
        origin=origin,
        service=service,
        authorities=authorities,
    )
    file.write_text(text)
    process = await asyncio.create_subprocess_exec(program, "-c", str(file), "-p", str(folder))
    try:
        await eventually(lambda: _answers(process, port))
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(process: asyncio.subprocess.Process, port: int) -> None:
    if process.returncode is not None:
        raise RuntimeError(f"nginx ended with {process.returncode}")
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise AssertionError(f"nginx does not listen yet: {error}") from error
    writer.close()
    await writer.wait_closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
