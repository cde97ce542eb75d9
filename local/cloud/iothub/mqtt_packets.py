"""Packets of MQTT 3.1.1, as far as IoT Hub speaks it.

Section numbers refer to the OASIS standard "MQTT Version 3.1.1".
"""

from __future__ import annotations

from dataclasses import dataclass

SUBSCRIPTION_REFUSED = 0x80
"""Return code of a topic filter in a Suback."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Section 3.1. A will is read over and dropped: IoT Hub offers none to twins."""

    client_id: str
    username: str = ""
    password: str = ""
    clean_session: bool = False
    keep_alive: int = 60
    level: int = 4


@dataclass(frozen=True, slots=True)
class Connack:
    """Section 3.2."""

    code: int = 0
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """Section 3.3. `packet_id` is 0 when `qos` is 0."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    packet_id: int = 0
    duplicate: bool = False
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Puback:
    """Section 3.4."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Section 3.8: topic filters with the quality of service asked for."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """Section 3.9: for each filter the quality of service granted, or 0x80."""

    packet_id: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Section 3.10."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsuback:
    """Section 3.11."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pingreq:
    """Section 3.12."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """Section 3.13."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Section 3.14."""


type Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
