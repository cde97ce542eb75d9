"""The webhooks of the host, through which Event Grid delivers to Event Grid and blob triggers.

Answers: 401 for a wrong key, 404 for an unknown function, 400 for a delivery of another form, 202
when all went well and 500 when the sender has to deliver again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from azure.core.exceptions import AzureError

from local.cloud.functions_host.blobs import BlobTriggers
from local.cloud.functions_host.errors import BadDelivery
from local.cloud.functions_host.event_grid import (
    EVENT_TYPE_HEADER,
    EventGridTriggers,
    Handshake,
    Notification,
    parse_delivery,
)
from local.cloud.functions_host.index import EventGridTrigger, Function
from local.cloud.functions_host.keys import BLOBS_KEY, EVENT_GRID_KEY, Keys, given_key

_KEY_NAMES = {"eventgrid": EVENT_GRID_KEY, "blobs": BLOBS_KEY}

_logger = logging.getLogger("host.webhooks")


class Webhooks:
    """Takes deliveries in and hands them to the right kind of trigger."""

    def __init__(
        self,
        functions: Iterable[Function],
        keys: Keys,
        event_grid: EventGridTriggers,
        blobs: BlobTriggers,
    ) -> None:
        self._keys = keys
        self._event_grid = event_grid
        self._blobs = blobs
        self._functions = {
            function.name: function
            for function in functions
            if isinstance(function.trigger, EventGridTrigger)
        }

    async def handle(self, extension: str, request: web.Request) -> web.Response:
        """Answer a request to `/runtime/webhooks/<extension>`."""
        if extension not in _KEY_NAMES:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if not self._keys.opens_webhook(_KEY_NAMES[extension], given_key(request)):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        name = request.query.get("functionName", "")
        known = self._blobs if extension == "blobs" else self._functions
        if name not in known:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if request.method == "OPTIONS":
            return _abuse_protection(request)
        if request.method != "POST":
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return await self._deliver(extension, name, request)
        except BadDelivery as error:
            _logger.warning("delivery for %s refused: %s", name, error)
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))

    async def _deliver(self, extension: str, name: str, request: web.Request) -> web.Response:
        delivery = parse_delivery(
            request.headers.get(EVENT_TYPE_HEADER), request.content_type, await request.read()
        )
        if isinstance(delivery, Handshake):
            return web.json_response({"validationResponse": delivery.validation_code})
        if isinstance(delivery, Notification):
            if extension == "blobs":
                taken = await self._queue_blobs(name, delivery)
            else:
                taken = await self._event_grid.receive(self._functions[name], delivery)
            if not taken:
                return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return web.Response(status=HTTPStatus.ACCEPTED)

    async def _queue_blobs(self, function_id: str, notification: Notification) -> bool:
        try:
            for event in notification.events:
                await self._blobs.accept(function_id, event)
        except AzureError as error:
            _logger.warning("blob events for %s not queued: %s", function_id, type(error).__name__)
            return False
        return True


def _abuse_protection(request: web.Request) -> web.Response:
    """Answer the OPTIONS handshake of CloudEvents webhooks."""
    origin = request.headers.get("WebHook-Request-Origin")
    if not origin:
        return web.Response(status=HTTPStatus.BAD_REQUEST)
    return web.Response(
        headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"}
    )
