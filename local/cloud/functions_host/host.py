"""The host as a whole: loads an app, starts everything that feeds it, and stops in good order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack

from aiohttp import web

from local.cloud.functions_host.admin import Admin
from local.cloud.functions_host.blobs import BlobTriggers
from local.cloud.functions_host.config import HostConfig
from local.cloud.functions_host.event_grid import EventGridTriggers
from local.cloud.functions_host.execution import Executor
from local.cloud.functions_host.http import FrontDoor, HttpFunctions, body_limit
from local.cloud.functions_host.index import Function, build_index
from local.cloud.functions_host.listeners import Listening, QueueNews
from local.cloud.functions_host.outputs import QueueOutputs
from local.cloud.functions_host.own_sends import own_sends_heard
from local.cloud.functions_host.settings import Settings
from local.cloud.functions_host.storage import Storage
from local.cloud.functions_host.tasks import TaskSet
from local.cloud.functions_host.webhooks import Webhooks
from local.cloud.functions_host.worker import Worker

DRAIN_SECONDS = 10.0
"""How long running functions may go on after the host is told to stop."""

_logger = logging.getLogger("host")


class Host:
    """One running function app.

    `on_failure` is called when a listener or a piece of work fails in a way that no retry can mend;
    the host is then to be stopped, for a trigger that is silently dead is worse than no host.
    """

    def __init__(
        self, config: HostConfig, worker: Worker, on_failure: Callable[[str, BaseException], None]
    ) -> None:
        self._config = config
        self._worker = worker
        self._loops = TaskSet(on_failure)
        self._work = TaskSet(on_failure)
        settings = Settings(os.environ)
        storage = Storage(settings)
        news = QueueNews()
        outputs = QueueOutputs(storage, config.options.queues.encoding, news.notify)
        executor = Executor(worker, outputs)
        self._listening = Listening(
            config=config,
            settings=settings,
            storage=storage,
            executor=executor,
            work=self._work,
            news=news,
        )
        self._resources = AsyncExitStack()
        self._resources.push_async_callback(storage.close)
        self._runner: web.AppRunner | None = None

    async def start(self, sock: socket.socket, tls: ssl.SSLContext) -> None:
        """Load the app and begin to serve and to listen.

        Raises:
            StartError: the app or its settings do not allow it.
        """
        self._resources.enter_context(own_sends_heard(self._listening.news.notify))
        functions = build_index(await self._worker.load(self._config.app), self._listening.settings)
        blobs = await self._listening.blob_triggers(functions)
        self._runner = web.AppRunner(
            self._front_door(functions, blobs).application(body_limit(os.environ)),
            access_log=None,
            # The server waits once for its requests to end and once more before it cancels them.
            shutdown_timeout=DRAIN_SECONDS / 2,
        )
        listeners = await self._resources.enter_async_context(
            self._listening.coroutines(functions, blobs)
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=tls).start()
        for name, listener in listeners:
            self._loops.spawn(listener, name)
        _logger.info("%d functions loaded from %s", len(functions), self._config.app)

    def _front_door(self, functions: tuple[Function, ...], blobs: BlobTriggers) -> FrontDoor:
        config, executor = self._config, self._listening.executor
        return FrontDoor(
            HttpFunctions(functions, config.options.route_prefix, config.keys, executor),
            Webhooks(functions, config.keys, EventGridTriggers(executor, config.faults), blobs),
            Admin(
                host_id=config.host_id,
                functions=functions,
                keys=config.keys,
                executor=executor,
                work=self._work,
            ),
        )

    async def stop(self) -> None:
        """Stop listening, let running functions end for a while, and free everything."""
        await self._loops.cancel()
        async with asyncio.TaskGroup() as endings:
            endings.create_task(self._work.drain(DRAIN_SECONDS))
            if self._runner is not None:
                endings.create_task(self._runner.cleanup())
        if len(self._work):
            _logger.warning("%d runs did not end in time and are given up", len(self._work))
            await self._work.cancel()
        await self._resources.aclose()
