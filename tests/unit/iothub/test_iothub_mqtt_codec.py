from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.iothub import mqtt_packets as mqtt
from local.cloud.iothub.mqtt_codec import Decoder, MqttError, encode
from local.cloud.iothub.mqtt_packets import Packet

LIMIT = 1 << 20

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
names = texts.filter(bool)
topics = names.filter(lambda name: not {"#", "+"} & set(name.split("/")))
packet_ids = st.integers(1, 0xFFFF)
publishes = st.builds(
    mqtt.Publish,
    topics,
    st.binary(max_size=300),
    st.just(1),
    packet_ids,
    st.booleans(),
    st.booleans(),
) | st.builds(mqtt.Publish, topics, st.binary(max_size=300))
packets: st.SearchStrategy[Packet] = st.one_of(
    st.builds(mqtt.Connect, texts, texts, texts, st.booleans(), st.integers(0, 0xFFFF)),
    st.builds(mqtt.Connack, st.integers(0, 5), st.booleans()),
    publishes,
    st.builds(mqtt.Puback, packet_ids),
    st.builds(
        mqtt.Subscribe,
        packet_ids,
        st.lists(st.tuples(texts, st.integers(0, 2)), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        mqtt.Suback, packet_ids, st.lists(st.sampled_from((0, 1, 0x80)), max_size=3).map(tuple)
    ),
    st.builds(mqtt.Unsubscribe, packet_ids, st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(mqtt.Unsuback, packet_ids),
    st.just(mqtt.Pingreq()),
    st.just(mqtt.Pingresp()),
    st.just(mqtt.Disconnect()),
)


@given(st.lists(packets, max_size=5), st.integers(1, 50))
def test_packets_survive_encoding_whatever_the_pieces(sent: list[Packet], size: int) -> None:
    data = b"".join(map(encode, sent))
    decoder, received = Decoder(LIMIT), []

    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
        received += decoder.packets()

    assert received == sent


@given(st.binary(max_size=200))
def test_noise_gives_packets_or_an_mqtt_error(noise: bytes) -> None:
    decoder = Decoder(LIMIT)
    decoder.feed(noise)

    with contextlib.suppress(MqttError):
        for packet in decoder.packets():
            encode(packet)


@given(packets, st.integers(0, 400), st.integers(0, 255))
def test_damaged_packet_gives_packets_or_an_mqtt_error(packet: Packet, at: int, byte: int) -> None:
    data = bytearray(encode(packet))
    data[at % len(data)] = byte
    decoder = Decoder(LIMIT)
    decoder.feed(bytes(data))

    with contextlib.suppress(MqttError):
        list(decoder.packets())


@pytest.mark.parametrize("length", [0, 127, 128, 16383, 16384, 200_000])
def test_long_packets_have_long_lengths(length: int) -> None:
    decoder = Decoder(LIMIT)
    decoder.feed(encode(mqtt.Publish("t", bytes(length))))

    assert list(decoder.packets()) == [mqtt.Publish("t", bytes(length))]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\x00\x00", "starts with"),
        (b"\xf0\x00", "starts with"),
        (b"\x80\x00", "starts with"),
        (b"\x10\xff\xff\xff\xff", "four bytes"),
        (b"\x30\x80\x80\x80\x01", "exceeds"),
        (b"\x40\x01\x00", "too early"),
        (b"\x40\x02\x00\x00", "zero"),
        (b"\xc0\x01\x00", "longer than its fields"),
        (b"\x34\x05\x00\x01t\x00\x01", "quality of service 2"),
        (b"\x30\x03\x00\x01#", "wildcard"),
        (b"\x30\x03\x00\x01\xff", "UTF-8"),
        (b"\x30\x03\x00\x01\x00", r"U\+0000"),
        (b"\x82\x02\x00\x01", "no topic filter"),
        (b"\x82\x06\x00\x01\x00\x01t\x03", "unknown quality"),
        (b"\x10\x0a\x00\x04MQTT\x04\x01\x00\x00", "reserved flag"),
        (b"\x10\x0a\x00\x04MQTX\x04\x00\x00\x00", "not MQTT"),
    ],
)
def test_packet_is_refused_when_it_breaks_the_rules(data: bytes, complaint: str) -> None:
    decoder = Decoder(LIMIT)
    decoder.feed(data)

    with pytest.raises(MqttError, match=complaint):
        list(decoder.packets())


def test_packet_is_refused_by_its_length_before_it_has_arrived() -> None:
    decoder = Decoder(100)
    decoder.feed(b"\x30\x65")

    with pytest.raises(MqttError, match="101 bytes exceeds 100"):
        list(decoder.packets())


def test_will_is_read_over() -> None:
    fields = b"\x00\x04MQTT\x04\x04\x00\x3c" + b"\x00\x01d" + b"\x00\x01t" + b"\x00\x02hi"
    decoder = Decoder(LIMIT)
    decoder.feed(b"\x10" + bytes((len(fields),)) + fields)

    assert list(decoder.packets()) == [mqtt.Connect("d")]
