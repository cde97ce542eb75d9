"""`./odu poison`: what failed for good: messages and events, explained and set going again."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from local.cli.options import add_state, fail, parser
from local.operator.output import moment, plain
from local.stack.errors import NotRunning

if TYPE_CHECKING:
    from shared.adapters.storage import StorageAccounts
    from shared.services.maintenance.poison import Poison, PoisonItem

_DESCRIPTION = """\
List what failed as often as it is tried, or set it going again once its cause is gone. By default
this is about the local stack. With --azure it is about a deployed service: storage is taken from
the environment, under the names of the service's app settings (STATE, CONTENT), with your own
identity.
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    from shared.domain.errors import DeviceUpdateError

    try:
        return asyncio.run(_replay(given) if given.replays else _list(given))
    except (NotRunning, DeviceUpdateError) as error:
        return fail(error)


def _parse(arguments: list[str]) -> argparse.Namespace:
    from shared.services.maintenance.poison import PLACES

    poison = parser("poison", _DESCRIPTION)
    common = argparse.ArgumentParser(add_help=False)
    place = common.add_mutually_exclusive_group()
    add_state(place)
    place.add_argument("--azure", action="store_true", help="a deployed service")
    common.add_argument(
        "--queue", metavar="NAME", help=f"only this one: {', '.join(PLACES)} (default: all)"
    )
    common.add_argument("--json", action="store_true", help="print JSON lines")
    commands = poison.add_subparsers(required=True, metavar="COMMAND")
    listed = commands.add_parser("list", parents=[common], help="what failed, and why")
    listed.set_defaults(replays=False)
    replayed = commands.add_parser("replay", parents=[common], help="try it all again")
    replayed.set_defaults(replays=True)
    return poison.parse_args(arguments)


async def _list(given: argparse.Namespace) -> int:
    shown: dict[str, int] = {}
    async with _poison(given) as poison:
        async for item in poison.list(given.queue):
            shown[item.place] = shown.get(item.place, 0) + 1
            print(json.dumps(asdict(item)) if given.json else _line(item))
        for place, count in shown.items():
            more = await poison.count(place) - count
            if more > 0 and not given.json:
                print(f"{place:<10} and {more} more")
    if not shown:
        print("nothing failed for good", file=sys.stderr)
    return 0


async def _replay(given: argparse.Namespace) -> int:
    async with _poison(given) as poison:
        found = False
        async for done in poison.replay(given.queue):
            found = True
            if given.json:
                print(json.dumps(asdict(done)))
            else:
                print(
                    f"{done.place:<10} {done.replayed} set going again"
                    + (
                        f", {done.dropped} dropped: there is nothing left to do"
                        * bool(done.dropped)
                    )
                )
    if not found:
        print("nothing failed for good", file=sys.stderr)
    return 0


def _line(item: PoisonItem) -> str:
    about = ", ".join(f"{name} {plain(value)}" for name, value in item.about.items())
    reason = plain(item.reason) if item.reason else "see the log of the service"
    over = " (over: a replay drops it)" if item.is_over else ""
    return f"{item.place:<10} {moment(item.at)}  {item.what}: {about}\n{'':<10} {reason}{over}"


@asynccontextmanager
async def _poison(given: argparse.Namespace) -> AsyncIterator[Poison]:
    from shared.adapters.blobs import AzureBlobs
    from shared.adapters.poison_queues import AzurePoisonQueues
    from shared.adapters.queues import AzureQueues
    from shared.adapters.table import Table
    from shared.adapters.table_operations import TableOperations
    from shared.services.maintenance.dead_letters import DeadLetters
    from shared.services.maintenance.poison import Poison

    credentials: list[Any] = []
    accounts = _azure(credentials) if given.azure else _local(given)
    blobs = AzureBlobs(accounts, link_hours=1)
    try:
        yield Poison(
            AzurePoisonQueues(accounts),
            AzureQueues(accounts),
            blobs,
            TableOperations(Table(accounts, "Operations")),
            DeadLetters(blobs),
        )
    finally:
        await accounts.close()
        for credential in credentials:
            await credential.close()


def _local(given: argparse.Namespace) -> StorageAccounts:
    from local.stack.running import Stack
    from shared.adapters.storage import StorageAccounts
    from shared.settings import Connection

    connection = Connection(Stack.load(given.state).storage_connection_string)
    return StorageAccounts(connection, connection, lambda: None)


def _azure(credentials: list[Any]) -> StorageAccounts:
    from shared.adapters.storage import StorageAccounts
    from shared.settings import read_connections

    def identity() -> Any:
        from azure.identity.aio import DefaultAzureCredential

        if not credentials:
            credentials.append(DefaultAzureCredential())
        return credentials[0]

    state, content = read_connections(os.environ)
    if state.queue_uri and not state.table_uri:
        # both services are of one account, whose addresses differ in the service's name alone
        state = replace(state, table_uri=state.queue_uri.replace(".queue.", ".table.", 1))
    return StorageAccounts(state, content, identity)
