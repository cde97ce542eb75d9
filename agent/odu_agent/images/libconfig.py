"""Read the libconfig format, as far as sw-description files use it: everything but includes."""

from __future__ import annotations

import re
from typing import Any

_MAXIMUM_DEPTH = 32
_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*|//[^\n]*|/\*.*?\*/)+)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<float>[+-]?(?:\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+))
    |(?P<hex>0[xX][0-9A-Fa-f]+L{0,2})
    |(?P<integer>[+-]?\d+L{0,2})
    |(?P<name>[A-Za-z*][A-Za-z0-9_*.-]*)
    |(?P<mark>[={}\[\]():;,])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_CLOSING = {"{": "}", "[": "]", "(": ")"}


def parse_libconfig(text: str) -> dict[str, Any]:
    """Read settings: groups become dictionaries, arrays and lists become lists.

    Raises:
        ValueError: The text is no such file, a name stands twice in a group, or it is too deep.
    """
    return _Parser(_tokens(text)).group(None, 0)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise ValueError(f"line {line}: what begins with {text[at : at + 10]!r} has no meaning")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match.group()))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def group(self, closing: str | None, depth: int) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        while self._next() != closing:
            kind, name = self._take()
            if kind != "name":
                raise ValueError(f"{name!r} stands where a name should")
            if name in settings:
                raise ValueError(f"{name} stands twice")
            if self._take()[1] not in ("=", ":"):
                raise ValueError(f"there is no = after {name}")
            settings[name] = self._value(depth)
            if self._next() in (";", ","):
                self._take()
        if closing is not None:
            self._take()
        return settings

    def _value(self, depth: int) -> Any:
        if depth == _MAXIMUM_DEPTH:
            raise ValueError("it is too deep")
        kind, text = self._take()
        if text == "{":
            return self.group("}", depth + 1)
        if text in ("[", "("):
            return self._items(_CLOSING[text], depth + 1)
        if kind == "string":
            return self._string(text)
        if kind == "name" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("hex", "integer"):
            return int(text.rstrip("L"), 16 if kind == "hex" else 10)
        if kind == "float":
            return float(text)
        raise ValueError(f"{text!r} stands where a value should")

    def _items(self, closing: str, depth: int) -> list[Any]:
        items = []
        while self._next() != closing:
            items.append(self._value(depth))
            if self._next() == ",":
                self._take()
            elif self._next() != closing:
                raise ValueError("there is no comma between two values")
        self._take()
        return items

    def _string(self, text: str) -> str:
        parts = [_unescape(text)]
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "string":
            parts.append(_unescape(self._take()[1]))
        return "".join(parts)

    def _next(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ValueError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 3 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(replace, text[1:-1])
