"""What devices say over MQTT, and what the hub answers ("Communicate with IoT Hub using MQTT")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError, invalid
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.mqtt_codec import MqttError
from local.cloud.iothub.mqtt_packets import (
    SUBSCRIPTION_REFUSED,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from local.cloud.iothub.records import load
from local.cloud.iothub.session import DESIRED_FILTER, METHODS_FILTER, RESPONSES_FILTER

if TYPE_CHECKING:
    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.mqtt_packets import Packet
    from local.cloud.iothub.records import Key
    from local.cloud.iothub.session import Session

_TWIN_GET = re.compile(r"\$iothub/twin/GET/\?\$rid=(?P<rid>[^&]{1,128})(&.*)?")
_TWIN_REPORT = re.compile(
    r"\$iothub/twin/PATCH/properties/reported/\?\$rid=(?P<rid>[^&]{1,128})(&.*)?"
)
_METHOD_ANSWER = re.compile(
    r"\$iothub/methods/res/(?P<status>-?\d{1,9})/\?\$rid=(?P<rid>[^&]{1,128})(&.*)?"
)


@dataclass(slots=True)
class DeviceApi:
    """Handles the packets of one connection, one after the other."""

    hub: Hub
    session: Session

    async def handle(self, packet: Packet) -> None:
        """Act on a packet and answer it.

        Raises:
            MqttError: IoT Hub closes the connection over such a packet.
        """
        match packet:
            case Publish():
                await self._published(packet)
                if packet.qos:
                    self.session.send(Puback(packet.packet_id))
            case Subscribe():
                await self._subscribe(packet)
            case Unsubscribe(packet_id, filters):
                await self.hub.sessions.unsubscribe(self.session, filters)
                self.session.send(Unsuback(packet_id))
            case Pingreq():
                self.session.send(Pingresp())
            case Puback():
                pass
            case _:
                raise MqttError(f"{type(packet).__name__} is not for a device to send")

    async def _subscribe(self, packet: Subscribe) -> None:
        allowed = _filters(self.session.key)
        granted = {name: min(qos, 1) for name, qos in packet.filters if name in allowed}
        await self.hub.sessions.subscribe(self.session, granted)
        codes = tuple(granted.get(name, SUBSCRIPTION_REFUSED) for name, _ in packet.filters)
        self.session.send(Suback(packet.packet_id, codes))
        if any("/messages/devicebound/" in name for name in granted):
            await self.hub.sessions.announce(self.session)

    async def _published(self, packet: Publish) -> None:
        topic = packet.topic
        if match := _TWIN_GET.fullmatch(topic):
            await self._get_twin(match["rid"])
        elif match := _TWIN_REPORT.fullmatch(topic):
            await self._report(match["rid"], packet.payload)
        elif match := _METHOD_ANSWER.fullmatch(topic):
            self._method_answered(match["rid"], int(match["status"]), packet.payload)
        elif topic.startswith(f"{_base(self.session.key)}/messages/events"):
            await self._telemetry(packet)
        else:
            raise MqttError(f"nothing may be published to {topic[:100]!r}")

    async def _get_twin(self, rid: str) -> None:
        try:
            self.hub.throttle.take(Meter.TWIN_READS)
            record = await self.hub.store.read(lambda db: load(db, self.session.key))
        except HubError as error:
            self._respond(error.status, rid, _problem(error))
            return
        twin = {
            "desired": record.twin.desired.device_view(),
            "reported": record.twin.reported.device_view(),
        }
        self._respond(200, rid, msgspec.json.encode(twin))

    async def _report(self, rid: str, payload: bytes) -> None:
        hub, key = self.hub, self.session.key
        try:
            hub.throttle.take(Meter.TWIN_UPDATES)
            hub.faults.check_twin_change()
            patch = _decode(payload)
            version = await hub.store.write(lambda tx: hub.twins.report(tx, key, patch))
        except HubError as error:
            self._respond(error.status, rid, _problem(error))
            return
        self._respond(204, f"{rid}&$version={version}", b"")

    def _respond(self, status: int, query: str, payload: bytes) -> None:
        self.session.publish(f"$iothub/twin/res/{status}/?$rid={query}", payload, RESPONSES_FILTER)

    def _method_answered(self, rid: str, status: int, payload: bytes) -> None:
        future = self.session.pending.pop(rid, None)
        if future and not future.done():
            future.set_result((status, payload))

    async def _telemetry(self, packet: Publish) -> None:
        """Accept telemetry; the hub has no route for it. A spent rate slows its sender down."""
        if len(packet.payload) > limits.TELEMETRY_SIZE:
            raise MqttError("a telemetry message is too large")
        await self.hub.throttle.delay(Meter.TELEMETRY)
        await self.hub.sessions.announce(self.session)


def _decode(payload: bytes) -> object:
    if len(payload) > 2 * limits.PROPERTIES_SIZE:
        raise invalid(f"A patch of {len(payload)} bytes exceeds the size of a twin.")
    try:
        decoded: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(f"Reported properties are no valid JSON: {error}.") from error
    return decoded


def _problem(error: HubError) -> bytes:
    return msgspec.json.encode({"errorCode": error.code, "message": error.message})


def _base(key: Key) -> str:
    return f"devices/{key.device_id}" + (f"/modules/{key.module_id}" if key.module_id else "")


def _filters(key: Key) -> frozenset[str]:
    base = _base(key)
    own = {f"{base}/messages/devicebound/#"} | ({f"{base}/inputs/#"} if key.module_id else set())
    return frozenset({DESIRED_FILTER, METHODS_FILTER, RESPONSES_FILTER} | own)
