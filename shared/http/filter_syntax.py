"""The syntax of filters: text to comparisons, without a word on which fields there are.

    filter     = comparison *( connective comparison )
    comparison = field operator value / "startswith(" field "," string ")"
    operator   = "eq", and "lt" or "ne" where a list takes it
    connective = "and" / "or"
    field      = name [ "/" name ]
    value      = string / date / "true" / "false" / "null"
    string     = "'" *( any character but "'" / "''" ) "'"

Tokens stand apart by blanks or tabs; operators, the connectives and the words are matched without
regard to case. A date (`2026-05-31`, `2026-05-31T12:00:00Z`) stands after `lt` alone. There are no
other parentheses, so nothing nests. `and` and `or` do not mix in one filter.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import InvalidInput

MAX_LENGTH = 2048
"""Longest filter or order, in characters."""
MAX_COMPARISONS = 10

type Value = str | bool | None
type Connective = Literal["and", "or"]
type Operator = Literal["eq", "lt", "ne", "startswith"]

_TOKEN = re.compile(r"[ \t]*(?:(?P<string>'(?:[^']|'')*')|(?P<word>[^ \t']+))")
_EQUALS: tuple[Operator, ...] = ("eq",)
_STARTS_WITH = re.compile(
    r"[ \t]*(?P<call>startswith)[ \t]*\([ \t]*(?P<field>[^ \t'(),]+)[ \t]*,[ \t]*"
    r"(?P<string>'(?:[^']|'')*')[ \t]*\)(?=[ \t]|$)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt][0-9:.]+(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII)
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; `position` is where it begins, counted from 1."""

    field: str
    value: Value
    position: int
    operator: Operator = "eq"


@dataclass(frozen=True, slots=True)
class Filter:
    """Comparisons that all hold, or of which one holds. `connective` is None for a single one."""

    comparisons: tuple[Comparison, ...]
    connective: Connective | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, a string, or a whole `startswith(field,'...')` of which `called` is the field."""

    text: str
    is_string: bool
    position: int
    called: str = ""

    @property
    def word(self) -> str:
        """The word in lower case; empty for a string."""
        return "" if self.is_string else self.text.lower()


def parse_filter(text: str, operators: Collection[Operator] = _EQUALS) -> Filter:
    """Read a filter.

    Args:
        text: The filter.
        operators: Those that it may have.

    Raises:
        InvalidInput: It does not follow the grammar; the message says where and what is expected.
    """
    tokens = _tokens(text, has_calls="startswith" in operators)
    comparisons: list[Comparison] = []
    connectives: list[_Token] = []
    at = 0
    while True:
        is_call = at < len(tokens) and bool(tokens[at].called)
        if is_call:
            comparisons.append(_call(tokens[at]))
        else:
            comparisons.append(_comparison(tokens[at : at + 3], len(text), operators))
        if len(comparisons) > MAX_COMPARISONS:
            raise malformed(f"has more than {MAX_COMPARISONS} comparisons")
        at += 1 if is_call else 3
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


def _tokens(text: str, *, has_calls: bool) -> list[_Token]:
    if len(text) > MAX_LENGTH:
        raise malformed(f"is longer than {MAX_LENGTH} characters")
    tokens = []
    at, end = 0, len(text.rstrip(" \t"))
    while at < end:
        call = _STARTS_WITH.match(text, at) if has_calls else None
        if call is not None:
            position = call.start("call") + 1
            tokens.append(_Token(call["string"], True, position, called=call["field"]))
            at = call.end()
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip(" \t"))
            raise malformed(f"has a string without its closing quote at position {start + 1}")
        kind = "string" if match["string"] is not None else "word"
        tokens.append(_Token(match[kind], kind == "string", match.start(kind) + 1))
        at = match.end()
    return tokens


def _call(token: _Token) -> Comparison:
    return Comparison(token.called, _unquoted(token), token.position, "startswith")


def _comparison(tokens: list[_Token], length: int, operators: Collection[Operator]) -> Comparison:
    field = tokens[0] if tokens else None
    if field is None or field.is_string:
        raise _expected("a field name", field, length)
    given = tokens[1] if len(tokens) > 1 else None
    known: tuple[Operator, ...] = ("eq", "lt", "ne")
    operator = next((each for each in known if given and given.word == each), None)
    if operator is None or operator not in operators:
        named = " or ".join(f"'{each}'" for each in known if each in operators)
        raise _expected(named, given, length)
    value = tokens[2] if len(tokens) > 2 else None
    if operator == "lt":
        return Comparison(field.text, _date(value, length), field.position, operator)
    if value is None or value.called or not (value.is_string or value.word in _WORDS):
        raise _expected("a string in single quotes, true, false or null", value, length)
    found = _unquoted(value) if value.is_string else _WORDS[value.word]
    return Comparison(field.text, found, field.position, operator)


def _date(value: _Token | None, length: int) -> str:
    text = _unquoted(value) if value and value.is_string else value.text if value else ""
    if (value and value.called) or not _DATE.fullmatch(text):
        raise _expected("a date and time", value, length)
    return text


def _unquoted(token: _Token) -> str:
    return token.text[1:-1].replace("''", "'")


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
