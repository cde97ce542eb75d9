"""The syntax of filters: text to comparisons, without a word on which fields there are.

    filter     = comparison *( connective comparison )
    comparison = field "eq" value
    connective = "and" / "or"
    field      = name [ "/" name ]
    value      = string / "true" / "false" / "null"
    string     = "'" *( any character but "'" / "''" ) "'"

Tokens stand apart by blanks or tabs; `eq`, the connectives and the words are matched without regard
to case. There are no parentheses, so nothing nests. `and` and `or` do not mix in one filter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import InvalidInput

MAX_LENGTH = 2048
"""Longest filter or order, in characters."""
MAX_COMPARISONS = 10

type Value = str | bool | None
type Connective = Literal["and", "or"]

_TOKEN = re.compile(r"[ \t]*(?:(?P<string>'(?:[^']|'')*')|(?P<word>[^ \t']+))")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field eq value`; `position` is where it begins, counted from 1."""

    field: str
    value: Value
    position: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Comparisons that all hold, or of which one holds. `connective` is None for a single one."""

    comparisons: tuple[Comparison, ...]
    connective: Connective | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    is_string: bool
    position: int

    @property
    def word(self) -> str:
        """The word in lower case; empty for a string."""
        return "" if self.is_string else self.text.lower()


def parse_filter(text: str) -> Filter:
    """Read a filter.

    Raises:
        InvalidInput: It does not follow the grammar; the message says where and what is expected.
    """
    tokens = _tokens(text)
    comparisons: list[Comparison] = []
    connectives: list[_Token] = []
    at = 0
    while True:
        comparisons.append(_comparison(tokens[at : at + 3], len(text)))
        if len(comparisons) > MAX_COMPARISONS:
            raise malformed(f"has more than {MAX_COMPARISONS} comparisons")
        at += 3
        if at >= len(tokens):
            break
        connectives.append(_connective(tokens[at]))
        at += 1
    return Filter(tuple(comparisons), _one_connective(connectives))


def quote(text: str) -> str:
    """A string as it is written in a filter."""
    return "'" + text.replace("'", "''") + "'"


def malformed(reason: str) -> InvalidInput:
    """The error of a filter; `reason` continues the words `The filter`."""
    return InvalidInput(f"The filter {reason}.", target="filter")


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_LENGTH:
        raise malformed(f"is longer than {MAX_LENGTH} characters")
    tokens = []
    at, end = 0, len(text.rstrip(" \t"))
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip(" \t"))
            raise malformed(f"has a string without its closing quote at position {start + 1}")
        kind = "string" if match["string"] is not None else "word"
        tokens.append(_Token(match[kind], kind == "string", match.start(kind) + 1))
        at = match.end()
    return tokens


def _comparison(tokens: list[_Token], length: int) -> Comparison:
    field = tokens[0] if tokens else None
    if field is None or field.is_string:
        raise _expected("a field name", field, length)
    operator = tokens[1] if len(tokens) > 1 else None
    if operator is None or operator.word != "eq":
        raise _expected("'eq'", operator, length)
    value = tokens[2] if len(tokens) > 2 else None
    if value is None or not (value.is_string or value.word in _WORDS):
        raise _expected("a string in single quotes, true, false or null", value, length)
    return Comparison(
        field.text,
        value.text[1:-1].replace("''", "'") if value.is_string else _WORDS[value.word],
        field.position,
    )


def _connective(token: _Token) -> _Token:
    if token.word not in ("and", "or"):
        raise _expected("'and', 'or' or the end", token, 0)
    return token


def _one_connective(tokens: list[_Token]) -> Connective | None:
    if not tokens:
        return None
    for token in tokens:
        if token.word != tokens[0].word:
            raise malformed(f"mixes 'and' with 'or' at position {token.position}")
    return "and" if tokens[0].word == "and" else "or"


def _expected(what: str, token: _Token | None, length: int) -> InvalidInput:
    if token is None:
        return malformed(f"needs {what} at position {length + 1}, where it ends")
    return malformed(f"needs {what} at position {token.position}")
