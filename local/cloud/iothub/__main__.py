"""Command line of the hub.

`python -m local.cloud.iothub --state DIR --tls-cert FILE --tls-key FILE ...`

Environment: `IOTHUB_OWNER_KEY` and `IOTHUB_SERVICE_KEY` are the base64 keys of the policies
`iothubowner` and `service`; `EVENT_GRID_KEY` opens the Event Grid topic; `TWINS_ROUTE` is the
connection string of the event hub of another stand-in, where messages are routed to;
`SSL_CERT_FILE` names the authorities that outgoing TLS trusts.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import logging
import os
import resource
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud import serving
from local.cloud.iothub.hub import Settings
from local.cloud.iothub.server import start_server

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable


def main() -> None:
    """Serve a hub until told to stop."""
    args = _parser().parse_args()
    serving.configure_logging(logging.INFO)
    _raise_descriptor_limit()
    settings = Settings(
        state=args.state,
        name=args.name,
        owner_key=_key("IOTHUB_OWNER_KEY"),
        service_key=_key("IOTHUB_SERVICE_KEY"),
        sku=args.sku,
        units=args.units,
        partitions=args.partitions,
        throttle=args.throttle,
        throttle_burst=args.throttle_burst,
        query_lag=args.query_lag,
        configuration_interval=args.configuration_interval,
        route_connection_state=args.route_connection_state,
        event_grid_endpoint=args.event_grid_endpoint,
        event_grid_key=os.environ.get("EVENT_GRID_KEY", ""),
        route=os.environ.get("TWINS_ROUTE", ""),
    )

    async def start(sock: socket.socket, context: ssl.SSLContext) -> Callable[[], Awaitable[None]]:
        if args.device_ca is not None:
            context.load_verify_locations(args.device_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return await start_server(settings, sock, context)

    # The writing thread gives up the interpreter at every statement and must get it back soon.
    sys.setswitchinterval(0.0005)
    asyncio.run(serving.serve_until_stopped(args, start))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m local.cloud.iothub", description="IoT Hub stand-in")
    parser.add_argument("--state", type=Path, required=True, help="folder of the hub's database")
    parser.add_argument("--name", default="odu-local", help="name of the hub in its events")
    parser.add_argument("--sku", choices=("F1", "S1", "S2", "S3"), default="S1")
    parser.add_argument("--units", type=_positive, default=1, help="units of the size")
    parser.add_argument("--throttle", action="store_true", help="apply the rates of the size")
    parser.add_argument(
        "--throttle-burst", type=float, default=60.0, help="seconds of its rate a meter can save up"
    )
    parser.add_argument("--partitions", type=_positive, default=4, help="of the message log")
    parser.add_argument(
        "--query-lag", type=float, default=0.0, help="seconds a query may see an older state"
    )
    parser.add_argument(
        "--configuration-interval",
        type=float,
        default=300.0,
        help="seconds between two looks at which devices the configurations target",
    )
    parser.add_argument("--route-connection-state", action="store_true")
    parser.add_argument("--event-grid-endpoint", default="", metavar="URL")
    parser.add_argument(
        "--device-ca", type=Path, metavar="FILE", help="authorities of X.509 devices (PEM)"
    )
    serving.add_serving_arguments(parser)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number <= 200:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 200")
    return number


def _key(name: str) -> str:
    key = os.environ.get(name, "")
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error:
        size = 0
    if size < 16:
        sys.exit(f"{name} must hold a base64 key of 16 bytes or more")
    return key


def _raise_descriptor_limit() -> None:
    """Each connection takes a descriptor."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
