"""Brings the parts of a stack up in their order, keeps them running, and ends them in theirs.

The host ends first, so that it finishes what it has begun while all it needs still runs; Azurite
ends last and writes its data.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from local.stack import parts
from local.stack.azurite import SERVICES, announced_ports, azurite_part, connection_string
from local.stack.certificates import ensure_certificates
from local.stack.credentials import ensure_credentials
from local.stack.description import describe
from local.stack.guardian import guardian
from local.stack.instances import keep_instances
from local.stack.keeper import Keeper, Progress
from local.stack.keys import ensure_keys, publish_keyring
from local.stack.ports import free_or_zero, open_sockets, remember_ports, remembered_ports
from local.stack.state import StateDirectory, lock_parts, lock_supervisor, write_private
from local.stack.subscriptions import register

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack.child import Part

FIRST_TO_STOP, LAST_TO_STOP = "host", "azurite"
ORPHAN_SECONDS = 5.0
"""Time that the parts get to end by themselves once the supervisor was killed."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    state: StateDirectory,
    options: parts.Options,
    progress: Progress,
    announce: Callable[[str], None],
    *,
    leash: bool = False,
) -> None:
    """Run a stack until a signal, or with a leash the end of standard input, tells it to end.

    Args:
        state: where it keeps everything.
        options: the user's choices.
        progress: where it tells what it does.
        announce: called with the endpoint of the REST API once all is ready.
        leash: end when standard input ends.

    Raises:
        StackError: it cannot start, or gave up.
    """
    os.umask(0o077)
    state.create()
    supervisor_lock = lock_supervisor(state)
    parts_lock = lock_parts(state, progress.note)
    try:
        with guardian(state.parts_lock, ORPHAN_SECONDS) as group:
            try:
                site = _prepare(state, options, progress, parts_lock, group)
                asyncio.run(_serve(site, progress, announce, leash=leash))
            finally:
                os.close(parts_lock)  # lets the guardian end
    finally:
        os.close(supervisor_lock)


def _prepare(
    state: StateDirectory, options: parts.Options, progress: Progress, parts_lock: int, group: int
) -> parts.Site:
    started = time.monotonic()
    options = replace(options, further_instances=keep_instances(state, options.further_instances))
    demanded = {} if options.port is None else {"host": options.port}
    sockets = open_sockets(options.servers, remembered_ports(state), demanded, progress.note)
    certificate = ensure_certificates(state)
    credentials = ensure_credentials(state, options.instances)
    progress.done("certificates", time.monotonic() - started, str(state.ca))
    return parts.Site(
        state=state,
        options=options,
        credentials=credentials,
        certificate=certificate,
        sockets=sockets,
        parts_lock=parts_lock,
        group=group,
    )


async def _serve(
    site: parts.Site, progress: Progress, announce: Callable[[str], None], *, leash: bool
) -> None:
    try:
        await Supervisor(site, progress, announce).serve(leash=leash)
    finally:
        for listener in site.sockets.values():
            listener.close()


class Supervisor:
    """The running parts of one stack."""

    def __init__(
        self, site: parts.Site, progress: Progress, announce: Callable[[str], None]
    ) -> None:
        self._site = site
        self._progress = progress
        self._announce = announce
        self._keepers: dict[str, Keeper] = {}
        self._storage = ""
        self._storage_ports: dict[str, int] = {}
        self._provisioning: asyncio.Task[None] | None = None
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when all is to end: with an exception if something went wrong."""

    async def serve(self, *, leash: bool) -> None:
        """Bring everything up, wait for the end, and take everything down.

        Raises:
            StackError: the start failed, or a part is not worth restarting.
        """
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._order_end)
        if leash:
            loop.add_reader(sys.stdin.fileno(), self._on_leash)
        bringing_up = asyncio.create_task(self._bring_up())
        bringing_up.add_done_callback(self._on_done)
        try:
            await self._end
        finally:
            bringing_up.cancel()
            await asyncio.wait((bringing_up,))
            await self._take_down()

    def _order_end(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def _on_leash(self) -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._order_end()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._end.done():
            self._end.set_exception(error)

    def _keep(self, part: Part, on_restart: Callable[[], None] | None = None) -> Keeper:
        keeper = Keeper(part, parts.REPOSITORY, self._progress, on_restart or self._describe)
        keeper.task.add_done_callback(self._on_done)
        self._keepers[part.name] = keeper
        return keeper

    async def _bring_up(self) -> None:
        site, started = self._site, time.monotonic()
        starting = {
            "azurite": asyncio.create_task(self._start_storage()),
            "identity": self._start(parts.identity_part(site), site.url("identity")),
        }
        for instance in site.options.instances:
            part = parts.iothub_part(site, instance)
            starting[part.name] = self._start(part, site.url(part.name))
        await self._in_thread("signing keys", lambda: ensure_keys(site.state.keys))
        await asyncio.to_thread(importlib.import_module, "local.stack.provision")  # takes long
        await starting["azurite"]
        starting["eventgrid"] = self._start(
            parts.eventgrid_part(site, self._storage), site.url("eventgrid")
        )
        await self._in_thread("provisioning", self._provision)
        await asyncio.gather(*starting.values())
        await self._start(parts.host_part(site, self._storage), site.url("host"))
        await self._in_thread("subscriptions", self._subscribe)
        self._describe()
        self._progress.done("the stack", time.monotonic() - started, str(site.state.path))
        self._announce(site.url("host"))

    def _start(self, part: Part, where: str) -> asyncio.Task[None]:
        async def until_ready() -> None:
            started = time.monotonic()
            await self._keep(part).ready()
            self._progress.done(part.name, time.monotonic() - started, where)

        return asyncio.create_task(until_ready())

    async def _start_storage(self) -> None:
        """Start Azurite on its earlier ports; whatever ports it gets now, it keeps."""
        site, started = self._site, time.monotonic()
        known = remembered_ports(site.state)
        ports = {name: free_or_zero(name, known, self._progress.note) for name in SERVICES}
        key = site.credentials.storage
        run = partial(azurite_part, site.state, key, parts_lock=site.parts_lock, group=site.group)
        part = run(ports)
        keeper = self._keep(part, self._on_storage_restart)
        ports = announced_ports(await keeper.ready())
        keeper.part = run(ports)
        self._storage = connection_string(key, ports)
        self._storage_ports = ports
        remember_ports(site.state, self._ports())
        where = ", ".join(f"{name} on port {port}" for name, port in ports.items())
        self._progress.done("azurite", time.monotonic() - started, where)

    async def _in_thread(self, what: str, work: Callable[[], None]) -> None:
        started = time.monotonic()
        await asyncio.to_thread(work)
        self._progress.done(what, time.monotonic() - started, "")

    def _on_storage_restart(self) -> None:
        """Provision again: a crash costs Azurite the last seconds, which may include that."""

        async def provision_again() -> None:
            await asyncio.to_thread(self._provision)
            self._describe()

        self._provisioning = asyncio.create_task(provision_again())
        self._provisioning.add_done_callback(self._on_done)

    def _provision(self) -> None:
        from local.stack.provision import provision

        instances = self._site.options.instances
        provision(
            self._storage,
            map(parts.diagnostics_container, instances),
            origins=[self._site.url("host")],
        )
        publish_keyring(self._site.state.keys, self._storage)

    def _subscribe(self) -> None:
        site = self._site
        register(site.url("eventgrid"), site.url("host"), site.credentials, site.state.ca)

    def _ports(self) -> dict[str, int]:
        servers = self._site.options.servers
        return {name: self._site.port(name) for name in servers} | self._storage_ports

    def _describe(self) -> None:
        """Write down what is where, and which processes run now."""
        pids = {name: keeper.pid for name, keeper in self._keepers.items() if keeper.pid}
        pids["supervisor"] = os.getpid()
        stack = describe(self._site, self._storage, self._ports(), pids)
        write_private(self._site.state.description, stack.to_json())

    async def _take_down(self) -> None:
        self._site.state.description.unlink(missing_ok=True)
        if self._keepers:
            self._progress.note("stopping")
        between = self._keepers.keys() - {FIRST_TO_STOP, LAST_TO_STOP}
        for names in ({FIRST_TO_STOP}, between, {LAST_TO_STOP}):
            keepers = (self._keepers[name] for name in names if name in self._keepers)
            await asyncio.gather(*(keeper.stop() for keeper in keepers))
