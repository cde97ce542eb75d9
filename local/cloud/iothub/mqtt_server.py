"""Admits devices over MQTT and serves them until they go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from local.cloud.iothub import limits
from local.cloud.iothub.certificates import check_certificate
from local.cloud.iothub.device_api import DeviceApi
from local.cloud.iothub.errors import HubError, unauthorized
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.mqtt_codec import Decoder, MqttError, encode
from local.cloud.iothub.mqtt_packets import Connack, Connect, Disconnect
from local.cloud.iothub.records import Key, load
from local.cloud.iothub.registry import check_key
from local.cloud.iothub.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.mqtt_packets import Packet
    from local.cloud.iothub.session import Link

_log = logging.getLogger(__name__)

_BAD_PROTOCOL = 1
_BAD_IDENTIFIER = 2
_UNAVAILABLE = 3
_BAD_CREDENTIALS = 4
_NOT_AUTHORIZED = 5
_LEVEL = 4


class _Refused(Exception):
    """The connection gets this CONNACK code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Admission(NamedTuple):
    key: Key
    model_id: str
    expires_at: float


async def serve(hub: Hub, link: Link) -> None:
    """Serve one connection from its first packet to its end."""
    decoder = Decoder(limits.CONNECT_PACKET_SIZE)
    packets = _packets(link, decoder)
    try:
        async with asyncio.timeout(limits.HANDSHAKE_TIME):
            connect = await _first_packet(packets)
            admission = await _admit(hub, connect, link.certificate)
    except _Refused as refused:
        with contextlib.suppress(OSError):
            await link.send(encode(Connack(refused.code)))
        link.close()
    except (MqttError, OSError, TimeoutError) as error:
        _log.info("connection closed before it was admitted: %s", error)
        link.abort()
    else:
        decoder.max_size = limits.PACKET_SIZE
        session = Session(admission.key, link, model_id=admission.model_id)
        await _serve_session(hub, session, packets, connect, admission.expires_at)


async def _serve_session(
    hub: Hub,
    session: Session,
    packets: AsyncIterator[Packet],
    connect: Connect,
    expires_at: float,
) -> None:
    loop = asyncio.get_running_loop()
    expiry = loop.call_later(expires_at - time.time(), session.close)
    writing = asyncio.create_task(session.write())
    try:
        present = await hub.sessions.enter(session, clean=connect.clean_session)
        session.send(Connack(0, present))
        await _serve_packets(DeviceApi(hub, session), packets, _patience(connect.keep_alive))
    except TimeoutError:
        _log.info("%s was silent for too long", session.key)
    except (MqttError, HubError) as error:
        _log.info("closing the connection of %s: %s", session.key, error)
    except OSError as error:
        _log.debug("connection of %s broke: %s", session.key, error)
    finally:
        expiry.cancel()
        writing.cancel()
        await asyncio.shield(asyncio.ensure_future(hub.sessions.leave(session)))


async def _serve_packets(api: DeviceApi, packets: AsyncIterator[Packet], patience: float) -> None:
    while True:
        async with asyncio.timeout(patience):
            packet = await anext(packets, None)
        if packet is None or isinstance(packet, Disconnect):
            return
        await api.handle(packet)


async def _first_packet(packets: AsyncIterator[Packet]) -> Connect:
    packet = await anext(packets, None)
    if not isinstance(packet, Connect):
        raise MqttError("the first packet is not CONNECT")
    return packet


async def _packets(link: Link, decoder: Decoder) -> AsyncIterator[Packet]:
    while data := await link.receive():
        decoder.feed(data)
        for packet in decoder.packets():
            yield packet


def _patience(keep_alive: int) -> float:
    """Section 3.1.2.10 of MQTT: one and a half times the keep-alive."""
    return min(1.5 * keep_alive or limits.KEEP_ALIVE_MAX, limits.KEEP_ALIVE_MAX)


async def _admit(hub: Hub, connect: Connect, certificate: bytes | None) -> _Admission:
    if connect.level != _LEVEL:
        raise _Refused(_BAD_PROTOCOL)
    if hub.throttle.wait(Meter.CONNECTIONS):
        raise _Refused(_UNAVAILABLE)
    device_id, _, module_id = connect.client_id.partition("/")
    try:
        key = check_key(device_id, module_id)
    except HubError:
        raise _Refused(_BAD_IDENTIFIER) from None
    model_id = _read_username(hub, connect)
    try:
        expires_at = await _authenticate(hub, key, connect.password, certificate)
    except HubError as error:
        _log.info("%s is not admitted: %s", key, error)
        raise _Refused(_NOT_AUTHORIZED) from None
    return _Admission(key, model_id, expires_at)


def _read_username(hub: Hub, connect: Connect) -> str:
    """Check `{host}/{client id}/?{query}` and return the Plug and Play model id in the query."""
    host, _, rest = connect.username.partition("/")
    query = rest.removeprefix(connect.client_id).removeprefix("/")
    if not rest.startswith(connect.client_id) or not query.startswith("?"):
        raise _Refused(_BAD_CREDENTIALS)
    fields = parse_qs(query[1:])
    if "api-version" not in fields or not hub.authority.knows_host(host):
        raise _Refused(_BAD_CREDENTIALS)
    return fields.get("model-id", [""])[0][:256]


async def _authenticate(hub: Hub, key: Key, password: str, certificate: bytes | None) -> float:
    record = await hub.store.read(lambda db: load(db, key))
    device = record
    if key.module_id:
        device = await hub.store.read(lambda db: load(db, Key(key.device_id)))
    if device.identity.status != "enabled":
        raise unauthorized("The device is disabled.")
    authentication = record.identity.authentication
    if authentication.type != "sas":
        return check_certificate(key, authentication, certificate)
    path = f"devices/{key.device_id}" + (f"/modules/{key.module_id}" if key.module_id else "")
    keys = authentication.symmetric_key
    return hub.authority.check_device(password, path, (keys.primary_key, keys.secondary_key))
