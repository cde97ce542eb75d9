"""Words and signs of the query language."""

from __future__ import annotations

import re
from typing import NamedTuple

from local.cloud.iothub.errors import HubError


class Token(NamedTuple):
    """A number, string, name, identifier in double brackets or symbol; the last one has no kind."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<identifier>\[\[[^\[\]]{1,128}\]\])
    |(?P<name>[A-Za-z_$][\w$\-]*)
    |(?P<symbol><=|>=|<>|!=|[=<>()\[\],.*/%+\-]))""",
    re.VERBOSE | re.DOTALL,
)


def malformed(what: str) -> HubError:
    """Return the error of a query that cannot be read."""
    return HubError(400, "ArgumentInvalid", f"The query is malformed: {what}.")


def tokenize(text: str) -> list[Token]:
    """Split a query into tokens.

    Raises:
        HubError: 400.
    """
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(f"character {at + 1} starts nothing it knows: {text[at : at + 20]!r}")
        kind = match.lastgroup
        tokens.append(Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*tokens, Token("", "", end)]


def literal(token: Token) -> str | int | float:
    """Return the value of a number or string token."""
    if token.kind == "string":
        return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
    return int(token.text) if token.text.isdigit() else float(token.text)
