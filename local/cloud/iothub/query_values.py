"""Values of the query language: missing ones, three-valued logic, comparison and arithmetic.

As in the database behind the hub's queries, whatever has a missing operand or operands of different
types is missing itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

type Row = dict[str, Any]
type Expression = Callable[[Row], Any]
type Operation = Callable[[Any, Any], Any]


class _Undefined:
    """The value of a path that leads nowhere."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = _Undefined()

COMPARISONS: dict[str, Operation] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
SUMS: dict[str, Operation] = {"+": operator.add, "-": operator.sub}
PRODUCTS: dict[str, Operation] = {
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


def constant(value: object) -> Expression:
    """Return an expression of one value."""
    return lambda _: value


def follow(row: Row, steps: list[str | int]) -> Any:
    """Return what a path leads to in a row."""
    value: Any = row
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, UNDEFINED)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return UNDEFINED
    return value


def is_number(value: object) -> bool:
    """Tell whether a value is a number; truth values are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def comparison(compare: Operation, left: Expression, right: Expression) -> Expression:
    """Return the comparison of two expressions."""
    return lambda row: _compare(compare, left(row), right(row))


def membership(left: Expression, items: tuple[Expression, ...], *, wanted: bool) -> Expression:
    """Return whether an expression is in a list, or with `wanted` false whether it is not."""

    def evaluate(row: Row) -> Any:
        value = left(row)
        if value is UNDEFINED:
            return UNDEFINED
        found = any(_compare(operator.eq, value, item(row)) is True for item in items)
        return found is wanted

    return evaluate


def calculation(operation: Operation, left: Expression, right: Expression) -> Expression:
    """Return an arithmetic expression over numbers."""

    def evaluate(row: Row) -> Any:
        a, b = left(row), right(row)
        if not (is_number(a) and is_number(b)):
            return UNDEFINED
        try:
            return operation(a, b)
        except ArithmeticError:
            return UNDEFINED

    return evaluate


def both(left: Expression, right: Expression) -> Expression:
    """Return the conjunction: false as soon as one side is."""

    def evaluate(row: Row) -> Any:
        values = left(row), right(row)
        if False in map(_truth, values):
            return False
        return UNDEFINED if UNDEFINED in map(_truth, values) else True

    return evaluate


def either(left: Expression, right: Expression) -> Expression:
    """Return the disjunction: true as soon as one side is."""

    def evaluate(row: Row) -> Any:
        values = left(row), right(row)
        if True in map(_truth, values):
            return True
        return UNDEFINED if UNDEFINED in map(_truth, values) else False

    return evaluate


def negation(inner: Expression) -> Expression:
    """Return the opposite; that of a missing value is missing."""

    def evaluate(row: Row) -> Any:
        value = _truth(inner(row))
        return UNDEFINED if value is UNDEFINED else not value

    return evaluate


def _truth(value: object) -> object:
    return value if isinstance(value, bool) else UNDEFINED


def _compare(compare: Operation, left: Any, right: Any) -> Any:
    if _kind(left) != _kind(right) or _kind(left) is None:
        return UNDEFINED
    if left is None and compare not in (operator.eq, operator.ne):
        return UNDEFINED
    return compare(left, right)


def _kind(value: object) -> str | None:
    if is_number(value):
        return "number"
    if value is None or isinstance(value, bool | str):
        return type(value).__name__
    return None
