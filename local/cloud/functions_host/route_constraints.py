"""The inline constraints of ASP.NET route templates, such as `int` and `length(1,8)`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from local.cloud.functions_host.errors import StartError

Constraint = Callable[[str], bool]

_INTEGER = re.compile(r"[+-]?[0-9]{1,25}")
_LONGEST, _LARGEST = 2**31, 2**63 - 1


def _is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def _integer(low: int, high: int) -> Constraint:
    def test(value: str) -> bool:
        return _INTEGER.fullmatch(value) is not None and low <= int(value) <= high

    return test


def _length(low: int, high: int) -> Constraint:
    return lambda value: low <= len(value) <= high


def _pattern(text: str) -> Constraint:
    # Braces are doubled inside of a template.
    pattern = re.compile(text.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


_PLAIN: dict[str, Constraint] = {
    "int": _integer(-(2**31), 2**31 - 1),
    "long": _integer(-(2**63), _LARGEST),
    "guid": _is_uuid,
    "bool": lambda value: value.lower() in ("true", "false"),
    "alpha": re.compile(r"[A-Za-z]*").fullmatch,  # type: ignore[dict-item]  # truth is all we use
    "required": bool,
}

_ONE_NUMBER: dict[str, Callable[[int], Constraint]] = {
    "length": lambda exact: _length(exact, exact),
    "minlength": lambda low: _length(low, _LONGEST),
    "maxlength": lambda high: _length(0, high),
    "min": lambda low: _integer(low, _LARGEST),
    "max": lambda high: _integer(-(2**63), high),
}

_TWO_NUMBERS: dict[str, Callable[[int, int], Constraint]] = {"length": _length, "range": _integer}


def parse_constraint(kind: str, arguments: str | None) -> Constraint:
    """Return the test behind a constraint; an unknown one is a `StartError`, as in ASP.NET."""
    kind = kind.lower()
    if arguments is None and kind in _PLAIN:
        return _PLAIN[kind]
    if arguments is not None:
        if kind == "regex":
            return _pattern(arguments)
        numbers = [int(part) for part in arguments.split(",")]
        if len(numbers) == 1 and kind in _ONE_NUMBER:
            return _ONE_NUMBER[kind](numbers[0])
        if len(numbers) == 2 and kind in _TWO_NUMBERS:
            return _TWO_NUMBERS[kind](numbers[0], numbers[1])
    raise StartError(f"route constraint {kind} is not known with these arguments")
