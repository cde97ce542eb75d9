"""What names of groups and devices may be, so that rows can be found by them."""

from __future__ import annotations

DEFAULT_GROUP = "$default"
"""The group of devices whose tag names none."""
MAX_GROUP_ID = 200
_MAX_LENGTH_IN_KEY = 400
"""Of a group or a deployment, which stand in keys with more beside them."""
_MAX_DEVICE_LENGTH = 470
"""The key of its past in a deployment has the 32 characters of a workflow as well."""
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def is_group_id(text: str) -> bool:
    """Whether a twin tag can name a group: 1 to 200 characters, as in the managed service.

    There they are letters, digits and `. - _ ~`. Here any will do, as long as the name is no more
    than 400 characters in a key, and neither `.` nor `..`, which a URL would lose.
    """
    is_short = 0 < len(text) <= MAX_GROUP_ID and is_short_in_key(text)
    return is_short and text not in (".", "..")


def is_short_in_key(text: str) -> bool:
    """Whether a name is no more than 400 characters in a key."""
    return _length_in_key(text) <= _MAX_LENGTH_IN_KEY


def is_storable(device_key: str) -> bool:
    """Whether a device or module can have a row: the hub allows 128 characters an id, and those
    but letters, digits, `-` and `_` take three in a key.
    """
    return _length_in_key(device_key) <= _MAX_DEVICE_LENGTH


def _length_in_key(text: str) -> int:
    """Characters in a key: each byte but letters, digits, `-` and `_` is written as three."""
    content = text.encode(errors="replace")
    plain = sum(byte in _PLAIN for byte in content)
    return plain + 3 * (len(content) - plain)
