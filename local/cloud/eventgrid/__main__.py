"""Starts the stand-in.

`python -m local.cloud.eventgrid --state DIR [--time-scale F] [--watch-container NAME ...]` with the
arguments of every server of the local stack.

Environment:
    EVENT_GRID_KEY: access key of the topics.
    EVENT_GRID_ADMIN_KEY: key of the management side.
    DEADLETTER_STORAGE: connection string of the account for dead letters; without it no
        subscription may have a dead-letter container.
    WATCH_STORAGE: connection string of the account whose containers are watched.
    SSL_CERT_FILE: authorities that webhooks are trusted by.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from local.cloud.eventgrid.admin import Admin
from local.cloud.eventgrid.blob_watch import watch_containers
from local.cloud.eventgrid.dead_letter import DeadLetterWriter
from local.cloud.eventgrid.dead_letter_table import DeadLetterTable
from local.cloud.eventgrid.delivery import Dispatcher
from local.cloud.eventgrid.publish import MAX_REQUEST_BYTES, PublishEndpoint, Publisher
from local.cloud.eventgrid.retry import RetryPolicy
from local.cloud.eventgrid.store import Store, StoreError
from local.cloud.serving import (
    ServingError,
    add_serving_arguments,
    configure_logging,
    run_until_one_ends,
    serve_application,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says."""

    key: str
    admin_key: str
    dead_letter_storage: str | None
    watch_storage: str | None


async def run(args: argparse.Namespace, settings: Settings, store: Store) -> None:
    """Serve until told to stop; the end of any background task ends all."""
    policy = RetryPolicy(args.time_scale)
    letters = DeadLetterTable(store)
    writer = DeadLetterWriter(store, letters, policy)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        dispatcher = Dispatcher(store, session, policy, writer.give_up)
        publisher = Publisher(store, policy, dispatcher.wake)
        admin = Admin(
            store=store,
            letters=letters,
            policy=policy,
            publisher=publisher,
            dispatcher=dispatcher,
            session=session,
            can_dead_letter=settings.dead_letter_storage is not None,
        )
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        publish = PublishEndpoint(publisher, settings.key)
        app.router.add_post("/topics/{topic}/api/events", publish)
        app.add_subapp("/admin", admin.application(settings.admin_key))

        background = [dispatcher.run()]
        if settings.dead_letter_storage is not None:
            background.append(writer.run(settings.dead_letter_storage))
        if settings.watch_storage is not None and args.watch_container:
            background.append(
                watch_containers(store, publisher, settings.watch_storage, args.watch_container)
            )
        await run_until_one_ends(*background, serve_application(args, app))


def main() -> None:
    """Run the stand-in until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud.eventgrid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="state folder")
    parser.add_argument(
        "--time-scale",
        type=_positive,
        default=1.0,
        metavar="F",
        help="factor on all waits and lifetimes of the retry policy (default: 1)",
    )
    parser.add_argument(
        "--watch-container",
        action="append",
        default=[],
        metavar="NAME",
        help="container whose new blobs are published to the topic storage; may be repeated",
    )
    add_serving_arguments(parser)
    args = parser.parse_args()
    configure_logging()
    settings = Settings(
        key=_required(parser, "EVENT_GRID_KEY"),
        admin_key=_required(parser, "EVENT_GRID_ADMIN_KEY"),
        dead_letter_storage=os.environ.get("DEADLETTER_STORAGE") or None,
        watch_storage=os.environ.get("WATCH_STORAGE") or None,
    )
    if args.watch_container and settings.watch_storage is None:
        parser.error("--watch-container needs the environment variable WATCH_STORAGE")
    try:
        store = Store(args.state / "eventgrid.db")
        try:
            asyncio.run(run(args, settings, store))
        finally:
            store.close()
    except (ServingError, StoreError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0")
    return number


def _required(parser: argparse.ArgumentParser, variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        parser.error(f"environment variable {variable} is missing")
    return value


if __name__ == "__main__":
    main()
