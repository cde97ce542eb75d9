"""The subset of IoT Hub's query language that twin and job queries know.

    query      = SELECT [TOP integer] columns FROM source [WHERE or] [GROUP BY path {"," path}]
    columns    = "*" | column {"," column}
    column     = (aggregate | sum) [[AS] name]
    aggregate  = COUNT "(" ["*" | path] ")" | (SUM | AVG | MIN | MAX) "(" path ")"
    source     = devices | devices.modules | devices.jobs
    or         = and {OR and}
    and        = not {AND not}
    not        = NOT not | comparison
    comparison = sum [("=" | "!=" | "<>" | "<" | ">" | "<=" | ">=") sum | (IN | NIN) list]
    list       = "[" [sum {"," sum}] "]"
    sum        = product {("+" | "-") product}
    product    = unary {("*" | "/" | "%") unary}
    unary      = ["-"] primary
    primary    = number | string | TRUE | FALSE | NULL | IS_DEFINED "(" path ")" | path | "(" or ")"
    path       = name {"." name | "." "[[" id "]]" | "[" (string | integer) "]"}

Keywords are case-insensitive, names are not. Strings stand in single or double quotes, a backslash
escapes. A path may start with the source's name. A comparison with a missing value or between
values of different types is neither true nor false, and such a condition selects nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from local.cloud.iothub import limits
from local.cloud.iothub.query_model import Column, Query, check
from local.cloud.iothub.query_tokens import Token, literal, malformed, tokenize
from local.cloud.iothub.query_values import (
    COMPARISONS,
    PRODUCTS,
    SUMS,
    UNDEFINED,
    both,
    calculation,
    comparison,
    constant,
    either,
    follow,
    membership,
    negation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.iothub.query_model import Source
    from local.cloud.iothub.query_values import Expression

_NESTING = 64


_KEYWORDS = frozenset(
    (
        *("SELECT", "TOP", "FROM", "WHERE", "GROUP", "BY", "AS", "AND", "OR", "NOT", "IN", "NIN"),
        *("TRUE", "FALSE", "NULL", "IS_DEFINED"),
    )
)
_WORDS: dict[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
_AGGREGATES = frozenset(("COUNT", "SUM", "AVG", "MIN", "MAX"))


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        HubError: 400 saying what is wrong and where.
    """
    if len(text) > limits.QUERY_LENGTH:
        raise malformed(f"it is longer than {limits.QUERY_LENGTH} characters")
    parser = _Parser(text)
    try:
        return parser.query()
    except RecursionError as error:
        raise malformed("it is nested too deeply") from error


def parse_condition(text: str, source: Source = "devices") -> Expression:
    """Read what may follow WHERE; nothing and `*` are true of every row.

    Raises:
        HubError: 400.
    """
    if text.strip() in ("", "*"):
        return constant(True)
    return parse_query(f"SELECT * FROM {source} WHERE {text}").condition  # noqa: S608 - no SQL


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0
        self._source: Source = "devices"

    def query(self) -> Query:
        self._source = self._find_source()
        self._expect("SELECT")
        top = self._integer() if self._take("TOP") else None
        columns = None if self._take("*") else tuple(self._list_of(self._column))
        self._expect("FROM")
        self._read_source()
        condition = self._or() if self._take("WHERE") else constant(True)
        group_by: tuple[tuple[str, Expression], ...] = ()
        if self._take("GROUP"):
            self._expect("BY")
            group_by = tuple(self._list_of(self._path))
        if self._peek().kind:
            self._fail("expected the end")
        query = Query(
            source=self._source, columns=columns, condition=condition, group_by=group_by, top=top
        )
        check(query)
        return query

    def _find_source(self) -> Source:
        """Look ahead for the source: paths of the columns may start with it."""
        words = [token.text for token in self._tokens]
        for index, token in enumerate(self._tokens):
            if token.kind == "name" and token.text.upper() == "FROM":
                rest = "".join(words[index + 1 : index + 4]).lower()
                if rest.startswith("devices.modules"):
                    return "devices.modules"
                if rest.startswith("devices.jobs"):
                    return "devices.jobs"
        return "devices"

    def _read_source(self) -> None:
        parts = [self._name()]
        while self._take("."):
            parts.append(self._name())
        if ".".join(parts).lower() != self._source:
            self._fail(f"nothing can be selected from {'.'.join(parts)!r}")

    def _column(self) -> Column:
        token = self._peek()
        if token.text.upper() in _AGGREGATES and self._peek(1).text == "(":
            self._at += 2
            kind = token.text.upper()
            name, value = f"${self._at}", constant(True)
            if not (kind == "COUNT" and (self._take("*") or self._peek().text == ")")):
                _, value = self._path()
            self._expect(")")
            return Column(self._alias(name), value, kind)
        start = self._at
        value = self._sum()
        path = "".join(token.text for token in self._tokens[start : self._at])
        last = self._tokens[self._at - 1]
        default = last.text.strip("[]") if last.kind in ("name", "identifier") else f"${start}"
        return Column(self._alias(default), value, path=path)

    def _alias(self, default: str) -> str:
        token = self._peek()
        if self._take("AS") or (token.kind == "name" and token.text.upper() not in _KEYWORDS):
            return self._name()
        return default

    def _or(self) -> Expression:
        return self._chain(self._and, "OR", either)

    def _and(self) -> Expression:
        return self._chain(self._not, "AND", both)

    def _chain(
        self,
        part: Callable[[], Expression],
        word: str,
        join: Callable[[Expression, Expression], Expression],
    ) -> Expression:
        left = part()
        while self._take(word):
            left = join(left, part())
        return left

    def _not(self) -> Expression:
        if self._take("NOT"):
            return negation(self._nested(self._not))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self._peek()
        if token.kind == "symbol" and token.text in COMPARISONS:
            self._at += 1
            return comparison(COMPARISONS[token.text], left, self._sum())
        for word, wanted in (("IN", True), ("NIN", False)):
            if self._take(word):
                return membership(left, self._items(), wanted=wanted)
        return left

    def _items(self) -> tuple[Expression, ...]:
        self._expect("[")
        if self._take("]"):
            return ()
        items = tuple(self._list_of(self._sum))
        self._expect("]")
        return items

    def _sum(self) -> Expression:
        return self._arithmetic(self._product, SUMS)

    def _product(self) -> Expression:
        return self._arithmetic(self._unary, PRODUCTS)

    def _arithmetic(
        self, part: Callable[[], Expression], table: dict[str, Callable[[Any, Any], Any]]
    ) -> Expression:
        left = part()
        while (token := self._peek()).kind == "symbol" and token.text in table:
            self._at += 1
            left = calculation(table[token.text], left, part())
        return left

    def _unary(self) -> Expression:
        if self._take("-"):
            return calculation(SUMS["-"], constant(0), self._primary())
        return self._primary()

    def _primary(self) -> Expression:
        token = self._peek()
        if token.kind in ("number", "string"):
            self._at += 1
            return constant(literal(token))
        for word, value in _WORDS.items():
            if self._take(word):
                return constant(value)
        if self._take("IS_DEFINED"):
            self._expect("(")
            _, path = self._path()
            self._expect(")")
            return lambda row: path(row) is not UNDEFINED
        if self._take("("):
            inner = self._nested(self._or)
            self._expect(")")
            return inner
        return self._path()[1]

    def _path(self) -> tuple[str, Expression]:
        start = self._at
        steps: list[str | int] = [self._name()]
        while True:
            if self._take("."):
                token = self._peek()
                if token.kind == "identifier":
                    self._at += 1
                    steps.append(token.text[2:-2])
                else:
                    steps.append(self._name())
            elif self._take("["):
                steps.append(self._index())
                self._expect("]")
            else:
                break
        steps = _without_source(steps, self._source)
        written = "".join(token.text for token in self._tokens[start : self._at])
        return written, lambda row: follow(row, steps)

    def _index(self) -> str | int:
        token = self._peek()
        if token.kind == "string":
            self._at += 1
            return str(literal(token))
        return self._integer()

    def _nested(self, part: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > _NESTING:
            self._fail("it is nested too deeply")
        inner = part()
        self._depth -= 1
        return inner

    def _list_of[T](self, part: Callable[[], T]) -> list[T]:
        items = [part()]
        while self._take(","):
            items.append(part())
        return items

    def _name(self) -> str:
        token = self._peek()
        after_dot = self._at > 0 and self._tokens[self._at - 1].text == "."
        if token.kind != "name" or (token.text.upper() in _KEYWORDS and not after_dot):
            self._fail("expected a name")
        self._at += 1
        return token.text

    def _integer(self) -> int:
        token = self._peek()
        if token.kind != "number" or not token.text.isdigit():
            self._fail("expected a whole number")
        self._at += 1
        return int(token.text)

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.kind in ("name", "symbol") and token.text.upper() == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail(f"expected {text}")

    def _fail(self, what: str) -> NoReturn:
        token = self._peek()
        found = f"found {token.text[:40]!r}" if token.kind else "found its end"
        raise malformed(f"{what} at character {token.at + 1}, {found}")


def _without_source(steps: list[str | int], source: Source) -> list[str | int]:
    for prefix in (source.split("."), ["devices"], [source.rpartition(".")[2]]):
        if len(steps) > len(prefix) and steps[: len(prefix)] == prefix:
            return steps[len(prefix) :]
    return steps
