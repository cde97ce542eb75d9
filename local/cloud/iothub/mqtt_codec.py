"""Packets of MQTT 3.1.1 as bytes and back, for either side of a connection.

Only what IoT Hub speaks: quality of service 0 and 1, no retained delivery. Section numbers refer to
the OASIS standard "MQTT Version 3.1.1".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.iothub.mqtt_packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.cloud.iothub.mqtt_packets import Packet

_HEADS: dict[type[Packet], int] = {
    Connect: 0x10,
    Connack: 0x20,
    Puback: 0x40,
    Subscribe: 0x82,
    Suback: 0x90,
    Unsubscribe: 0xA2,
    Unsuback: 0xB0,
    Pingreq: 0xC0,
    Pingresp: 0xD0,
    Disconnect: 0xE0,
}
_LENGTH_BYTES = 4


def encode(packet: Packet) -> bytes:
    """Return the bytes of a packet."""
    return _frame(_head(packet), _body(packet))


def _head(packet: Packet) -> int:
    if isinstance(packet, Publish):
        return 0x30 | packet.duplicate << 3 | packet.qos << 1 | packet.retain
    return _HEADS[type(packet)]


def _body(packet: Packet) -> bytes:
    match packet:
        case Connect():
            return _connect_body(packet)
        case Connack(code, session_present):
            return bytes((session_present, code))
        case Publish():
            number = _short(packet.packet_id) if packet.qos else b""
            return _text(packet.topic) + number + packet.payload
        case Subscribe(packet_id, filters):
            wanted = (_text(name) + bytes((qos,)) for name, qos in filters)
            return _short(packet_id) + b"".join(wanted)
        case Suback(packet_id, codes):
            return _short(packet_id) + bytes(codes)
        case Unsubscribe(packet_id, names):
            return _short(packet_id) + b"".join(map(_text, names))
        case Puback(packet_id) | Unsuback(packet_id):
            return _short(packet_id)
        case _:
            return b""


class MqttError(Exception):
    """The peer sent what the protocol forbids; the connection has to be closed."""


class Decoder:
    """Turns a stream of bytes into packets; holds at most one packet of `max_size` bytes."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def packets(self) -> Iterator[Packet]:
        """Yield the complete packets received so far.

        Raises:
            MqttError: What follows is no packet, or one too large.
        """
        while (frame := self._next_frame()) is not None:
            yield _decode(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        length, used = 0, 1
        while True:
            if used >= len(self._buffer):
                return None
            byte = self._buffer[used]
            length |= (byte & 0x7F) << (7 * (used - 1))
            used += 1
            if not byte & 0x80:
                break
            if used > _LENGTH_BYTES:
                raise MqttError("the remaining length has more than four bytes")
        if length > self.max_size:
            raise MqttError(f"a packet of {length} bytes exceeds {self.max_size}")
        if len(self._buffer) < used + length:
            return None
        head, body = self._buffer[0], bytes(self._buffer[used : used + length])
        del self._buffer[: used + length]
        return head, body


class _Reader:
    """Reads the fields of one packet's body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise MqttError("a packet ends too early")
        self._at += count
        return self._body[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def short(self) -> int:
        return int.from_bytes(self.take(2))

    def packet_id(self) -> int:
        number = self.short()
        if not number:
            raise MqttError("a packet identifier is zero")
        return number

    def text(self) -> str:
        try:
            text = self.take(self.short()).decode()
        except UnicodeDecodeError as error:
            raise MqttError("a string is not UTF-8") from error
        if "\0" in text:
            raise MqttError("a string holds U+0000")
        return text

    def rest(self) -> bytes:
        return self.take(self.left)

    def end(self) -> None:
        if self.left:
            raise MqttError("a packet is longer than its fields")


def _decode(head: int, body: bytes) -> Packet:
    kind, flags = head >> 4, head & 0x0F
    if kind != 3 and head not in _HEADS.values():
        raise MqttError(f"a packet starts with 0x{head:02x}")
    reader = _Reader(body)
    packet = _decode_publish(flags, reader) if kind == 3 else _decode_body(kind, reader)
    reader.end()
    return packet


def _decode_body(kind: int, reader: _Reader) -> Packet:
    match kind:
        case 1:
            return _decode_connect(reader)
        case 2:
            session_present = bool(reader.byte() & 1)
            return Connack(reader.byte(), session_present)
        case 8:
            return Subscribe(reader.packet_id(), _some(tuple(_filters(reader))))
        case 9:
            return Suback(reader.packet_id(), tuple(reader.rest()))
        case 10:
            return Unsubscribe(reader.packet_id(), _some(tuple(_texts(reader))))
        case 4:
            return Puback(reader.packet_id())
        case 11:
            return Unsuback(reader.packet_id())
        case 12:
            return Pingreq()
        case 13:
            return Pingresp()
        case _:
            return Disconnect()


def _decode_connect(reader: _Reader) -> Connect:
    if reader.text() != "MQTT":
        raise MqttError("the protocol is not MQTT 3.1.1")
    level, flags, keep_alive = reader.byte(), reader.byte(), reader.short()
    if flags & 1:
        raise MqttError("a reserved flag of CONNECT is set")
    client_id = reader.text()
    if flags & 0x04:
        reader.text()
        reader.take(reader.short())
    username = reader.text() if flags & 0x80 else ""
    password = reader.text() if flags & 0x40 else ""
    return Connect(
        client_id=client_id,
        username=username,
        password=password,
        clean_session=bool(flags & 0x02),
        keep_alive=keep_alive,
        level=level,
    )


def _decode_publish(flags: int, reader: _Reader) -> Publish:
    qos = flags >> 1 & 3
    if qos > 1:
        raise MqttError("quality of service 2 is not offered")
    topic = reader.text()
    if not topic or "#" in topic.split("/") or "+" in topic.split("/"):
        raise MqttError("a topic name is empty or holds a wildcard")
    packet_id = reader.packet_id() if qos else 0
    return Publish(
        topic=topic,
        payload=reader.rest(),
        qos=qos,
        packet_id=packet_id,
        duplicate=bool(flags & 8),
        retain=bool(flags & 1),
    )


def _filters(reader: _Reader) -> Iterator[tuple[str, int]]:
    while reader.left:
        name, qos = reader.text(), reader.byte()
        if qos > 2:
            raise MqttError("a subscription asks for an unknown quality of service")
        yield name, qos


def _texts(reader: _Reader) -> Iterator[str]:
    while reader.left:
        yield reader.text()


def _some[T](items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise MqttError("a packet names no topic filter")
    return items


def _connect_body(packet: Connect) -> bytes:
    flags = packet.clean_session << 1
    flags |= 0x80 if packet.username else 0
    flags |= 0x40 if packet.password else 0
    fields = [packet.client_id, packet.username, packet.password]
    texts = [_text(fields[0]), *(_text(field) for field in fields[1:] if field)]
    head = _text("MQTT") + bytes((packet.level, flags)) + _short(packet.keep_alive)
    return head + b"".join(texts)


def _frame(head: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes((head,)) + bytes(length) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return _short(len(data)) + data


def _short(number: int) -> bytes:
    return number.to_bytes(2)
