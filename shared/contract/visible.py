"""Makes text from outside safe to show: cut, and with every character that hides something visible.

Control characters and line separators forge lines of a log, directions of writing (bidi) forge what
a person reads.
"""

from __future__ import annotations

MOST_SHOWN = 256
_CUT = "…"


def visible(text: str, most: int = MOST_SHOWN) -> str:
    """The text with escapes for what is not printable, and no longer than `most` characters.

    Args:
        text: Any text, lone surrogates included.
        most: How many characters of the result there may be, the sign of the cut included.
    """
    if len(text) > most:
        return _cut(_escaped_all(text[:most]), _escaped_all(text[-most:]), most)
    shown = _escaped_all(text)
    return shown if len(shown) <= most else _cut(shown, shown, most)


def _cut(start: str, end: str, most: int) -> str:
    """Beginning and end: what a long name is quoted for stands after it."""
    last = most // 3
    return start[: most - last - 1] + _CUT + (end[-last:] if last else "")


def _escaped_all(text: str) -> str:
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
