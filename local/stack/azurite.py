"""Azurite, the storage emulator: how it is started and reached."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from local.stack.child import Part
from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.stack.state import StateDirectory

ACCOUNT = "odulocal"
KEEP_ALIVE_SECONDS = "60"
"""Longer than a client keeps a connection: else it may send on one that was just closed."""
IN_MEMORY = "ODU_AZURITE_IN_MEMORY"
"""Set for tables of some hundred thousand rows: Azurite writes all of them to disk every 5 seconds
as one text, which takes longer and longer and ends at half a gigabyte. Nothing outlives a restart.
"""
SERVICES = ("blob", "queue", "table")
_LISTENING = re.compile(
    r"Azurite (Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)"
)
_LEASH = Path(__file__).with_name("leash.cjs")
_PROGRAM = Path(__file__).parents[1] / "node_modules/azurite/dist/src/azurite.js"


def azurite_part(
    state: StateDirectory, key: str, ports: Mapping[str, int], *, parts_lock: int, group: int
) -> Part:
    """Return how to run Azurite; port 0 takes a free one.

    Versions of the service API newer than Azurite's own are let through, because the SDKs send
    them; its telemetry is off.

    Raises:
        StackError: Azurite or Node.js is not installed.
    """
    node = os.environ.get("ODU_NODE") or shutil.which("node")
    if node is None or not _PROGRAM.exists():
        raise StackError("Azurite is not installed; ./odu installs it")
    argv = [node, "--require", str(_LEASH), str(_PROGRAM)]
    if os.environ.get(IN_MEMORY):
        argv += ["--inMemoryPersistence"]
    else:
        argv += ["--location", str(state.path / "azurite")]
    for service in SERVICES:
        argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(ports[service])]
        argv += [f"--{service}KeepAliveTimeout", KEEP_ALIVE_SECONDS]
    argv += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return Part(
        name="azurite",
        argv=tuple(argv),
        log=state.log / "azurite.log",
        settings={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        descriptors=(parts_lock,),
        group=group,
        ready=_LISTENING,
        announcements=len(SERVICES),
    )


def announced_ports(announcements: Sequence[str]) -> dict[str, int]:
    """Return the port of each service from what Azurite printed."""
    matches = (_LISTENING.search(line) for line in announcements)
    return {match[1].lower(): int(match[2]) for match in matches if match}


def connection_string(key: str, ports: Mapping[str, int]) -> str:
    """Return the connection string, with an explicit endpoint for each service."""
    endpoints = "".join(
        f"{service.capitalize()}Endpoint=http://127.0.0.1:{ports[service]}/{ACCOUNT};"
        for service in SERVICES
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};{endpoints}"
