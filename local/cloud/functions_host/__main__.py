"""Command line of the Functions host.

`python -m local.cloud.functions_host --app DIR --keys-file FILE`

Exit codes: 0 after an orderly stop, 1 when the app cannot be loaded, 2 when a trigger has died.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
import os
import re
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path

from azure.core.exceptions import AzureError

from local.cloud.functions_host.config import HostConfig
from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.faults import load_faults
from local.cloud.functions_host.host import DRAIN_SECONDS, Host
from local.cloud.functions_host.host_json import load_host_options
from local.cloud.functions_host.keys import load_or_create_keys
from local.cloud.functions_host.logs import configure_logging
from local.cloud.functions_host.settings import load_local_settings
from local.cloud.functions_host.worker import Worker
from local.cloud.serving import ServingError, add_serving_arguments, redact, serve_until_stopped

EXIT_START_FAILED = 1
EXIT_TRIGGER_DIED = 2

CLOUD_QUEUE_LEASE = 600

_logger = logging.getLogger("host")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud.functions_host",
        description="Run a function app on this machine.",
    )
    parser.add_argument("--app", type=Path, required=True, metavar="DIR", help="function app")
    parser.add_argument(
        "--keys-file", type=Path, required=True, metavar="FILE", help="access keys (JSON)"
    )
    parser.add_argument(
        "--queue-lease",
        type=int,
        default=CLOUD_QUEUE_LEASE,
        metavar="SECONDS",
        help="how long a queue message of a dead host stays hidden (default: %(default)s)",
    )
    parser.add_argument("--host-id", metavar="ID", help="names this host's blobs and queues")
    add_serving_arguments(parser)
    args = parser.parse_args()
    if not 1 <= args.queue_lease <= 7 * 86_400:
        parser.error("--queue-lease: from 1 to 604800 seconds")
    if args.host_id is not None and not re.fullmatch(r"[a-z0-9](-?[a-z0-9]){0,31}", args.host_id):
        parser.error("--host-id: up to 32 lower-case letters, digits and single hyphens")
    return args


def _default_host_id(app: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", app.name.lower()).strip("-")[:20].strip("-") or "app"
    return f"{name}-{hashlib.sha256(str(app).encode()).hexdigest()[:8]}"


def _configuration(args: argparse.Namespace) -> HostConfig:
    app = args.app.resolve()
    if not app.is_dir():
        raise StartError(f"--app {args.app}: no such directory")
    load_local_settings(app, os.environ)
    return HostConfig(
        app=app,
        host_id=args.host_id or _default_host_id(app),
        queue_lease=args.queue_lease,
        options=load_host_options(app, os.environ),
        keys=load_or_create_keys(args.keys_file),
        faults=load_faults(os.environ),
    )


async def _serve(args: argparse.Namespace, config: HostConfig, worker: Worker) -> int:
    exit_code = 0

    def fail(what: str, error: BaseException) -> None:
        nonlocal exit_code
        _logger.critical("%s has died: %s", what, _describe(error), exc_info=error)
        if exit_code == 0:
            exit_code = EXIT_TRIGGER_DIED
            os.kill(os.getpid(), signal.SIGTERM)

    async def start(sock: socket.socket, tls: ssl.SSLContext) -> Callable[[], Awaitable[None]]:
        host = Host(config, worker, fail)
        # Standard output carries the ready line alone; what functions print goes to the log.
        with redirect_stdout(sys.stderr):
            try:
                await host.start(sock, tls)
            except (StartError, AzureError):
                await host.stop()
                raise
        asyncio.get_running_loop().call_soon(setattr, sys, "stdout", sys.stderr)
        return host.stop

    await serve_until_stopped(args, start)
    return exit_code


def _describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _stop_worker(worker: Worker, exit_code: int) -> None:
    """End the thread pool, or the process where a function in it never returns."""
    stopping = threading.Thread(target=worker.stop, daemon=True)
    stopping.start()
    stopping.join(DRAIN_SECONDS / 10)
    if stopping.is_alive():
        _logger.warning("a synchronous function is still running and is given up")
        logging.shutdown()
        os._exit(exit_code)


def _refuse(cause: str, details: str = "") -> int:
    print(redact(f"{details}\ncannot start: {cause}".lstrip()), file=sys.stderr)
    return EXIT_START_FAILED


def main() -> int:
    """Run the host until it is told to stop; return the exit code."""
    args = _arguments()
    worker = Worker()
    configure_logging("INFO", worker.current)
    try:
        config = _configuration(args)
        logging.getLogger().setLevel(config.options.log_level)
        exit_code = asyncio.run(_serve(args, config, worker))
    except StartError as error:
        return _refuse(str(error), error.details)
    except ServingError as error:
        return _refuse(str(error))
    except AzureError as error:
        return _refuse(f"storage: {error}")
    _stop_worker(worker, exit_code)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
