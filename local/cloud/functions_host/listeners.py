"""What feeds the functions of an app besides HTTP: one listener for each trigger that needs one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from local.cloud.functions_host.blobs import HOSTS_CONTAINER, POISON_QUEUE, BlobTriggers, work_queue
from local.cloud.functions_host.config import HostConfig
from local.cloud.functions_host.event_hubs import (
    CHECKPOINT_CONTAINER,
    Checkpoints,
    EventHubListener,
    EventSource,
)
from local.cloud.functions_host.execution import Executor
from local.cloud.functions_host.host_json import QueueOptions
from local.cloud.functions_host.index import (
    BlobTrigger,
    EventHubTrigger,
    Function,
    QueueTrigger,
    TimerTrigger,
)
from local.cloud.functions_host.queues import Handler, ListenerContext, QueueListener, run_function
from local.cloud.functions_host.settings import DEFAULT_CONNECTION, Settings
from local.cloud.functions_host.storage import Storage, ensure_container
from local.cloud.functions_host.tasks import TaskSet
from local.cloud.functions_host.timers import (
    LONGEST_LEASE_SECONDS,
    SHORTEST_LEASE_SECONDS,
    TimerContext,
    TimerListener,
)

_logger = logging.getLogger("host")


class QueueNews:
    """Tells the listeners of a queue that this host or its app has just sent something to it."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[QueueListener]] = {}

    def add(self, listener: QueueListener) -> None:
        """Let a listener know about its queue from now on."""
        self._listeners.setdefault(listener.queue_name, []).append(listener)

    def notify(self, queue: str) -> None:
        """Wake the listeners of a queue of that name, in whatever account."""
        for listener in self._listeners.get(queue, ()):
            listener.notify()


@dataclass(frozen=True, slots=True)
class Listening:
    """The parts of a host that its listeners are made of."""

    config: HostConfig
    settings: Settings
    storage: Storage
    executor: Executor
    work: TaskSet
    news: QueueNews

    async def blob_triggers(self, functions: Iterable[Function]) -> BlobTriggers:
        """Return the blob triggers; the place of their receipts exists afterwards."""
        host_id = self.config.host_id
        hosts = self.storage.container(DEFAULT_CONNECTION, HOSTS_CONTAINER)
        await ensure_container(hosts)
        queue = work_queue(host_id)
        return BlobTriggers(
            functions=functions,
            host_id=host_id,
            hosts=hosts,
            queue=self.storage.queue(DEFAULT_CONNECTION, queue),
            storage=self.storage,
            executor=self.executor,
            notify=lambda: self.news.notify(queue),
        )

    @asynccontextmanager
    async def coroutines(
        self, functions: tuple[Function, ...], blobs: BlobTriggers
    ) -> AsyncIterator[list[tuple[str, Coroutine[Any, Any, None]]]]:
        """Give the name and the never-ending coroutine of each listener, and what they need."""
        async with aiohttp.ClientSession() as session:
            listeners = []
            enabled = [each for each in functions if not self.settings.is_disabled(each.name)]
            for function in enabled:
                match function.trigger:
                    case QueueTrigger() as trigger:
                        listeners.append((function.name, self._queue(function, trigger).listen()))
                    case TimerTrigger() as trigger:
                        listeners.append((function.name, self._timer(function, trigger).listen()))
                    case EventHubTrigger() as trigger:
                        hub = await self._event_hub(function, trigger, session)
                        listeners.append((function.name, hub.listen()))
            if any(isinstance(function.trigger, BlobTrigger) for function in functions):
                listeners.append(("blob triggers", self._blob_work(blobs).listen()))
            yield [(f"the listener of {name}", listener) for name, listener in listeners]

    def _queue(self, function: Function, trigger: QueueTrigger) -> QueueListener:
        return self._listener(
            trigger.connection,
            trigger.queue,
            f"{trigger.queue}-poison",
            self.config.options.queues,
            run_function(self.executor, function),
        )

    def _blob_work(self, blobs: BlobTriggers) -> QueueListener:
        parallel = self.config.options.blobs.max_degree_of_parallelism
        batch = min(32, parallel)
        options = replace(
            self.config.options.queues,
            batch_size=batch,
            new_batch_threshold=parallel - batch,
            max_dequeue_count=self.config.options.blobs.poison_blob_threshold,
            visibility_timeout=0.0,
            encoding="base64",
        )
        queue = work_queue(self.config.host_id)
        return self._listener(DEFAULT_CONNECTION, queue, POISON_QUEUE, options, blobs.run)

    def _listener(
        self, connection: str, queue: str, poison: str, options: QueueOptions, handler: Handler
    ) -> QueueListener:
        context = ListenerContext(self.work, self.config.faults, self.config.queue_lease)
        listener = QueueListener(
            queue=self.storage.queue(connection, queue),
            poison=self.storage.queue(connection, poison),
            options=options,
            context=context,
            handler=handler,
        )
        self.news.add(listener)
        return listener

    def _timer(self, function: Function, trigger: TimerTrigger) -> TimerListener:
        # A timer of a host that was killed waits for its lease no longer than a queue message does.
        lease = min(LONGEST_LEASE_SECONDS, max(SHORTEST_LEASE_SECONDS, self.config.queue_lease))
        hosts = self.storage.container(DEFAULT_CONNECTION, HOSTS_CONTAINER)
        context = TimerContext(
            host_id=self.config.host_id,
            hosts=hosts,
            executor=self.executor,
            work=self.work,
            lease_seconds=lease,
        )
        return TimerListener(function, trigger, context)

    async def _event_hub(
        self, function: Function, trigger: EventHubTrigger, session: aiohttp.ClientSession
    ) -> EventHubListener:
        container = self.storage.container(DEFAULT_CONNECTION, CHECKPOINT_CONTAINER)
        await ensure_container(container)
        return EventHubListener(
            function=function,
            trigger=trigger,
            source=EventSource(session, trigger.endpoint, trigger.event_hub),
            checkpoints=Checkpoints(container, trigger),
            executor=self.executor,
            work=self.work,
            max_batch=self.config.options.max_event_batch_size,
        )
