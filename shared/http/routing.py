"""Finds the operation that a path means, by the rules of ASP.NET Core: those of the Functions host.

A path is split while still percent-encoded, so an encoded slash is part of a value. Literals are
compared without regard to case. Where several templates match, the more specific one is meant,
segment by segment: a literal, then a parameter with a suffix, then a whole parameter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from shared.http.route import Route


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment of a template: its parameter, if it has one, and the literal text after it."""

    parameter: str | None
    literal: str

    @classmethod
    def of(cls, text: str) -> _Segment:
        name, closing, suffix = text.removeprefix("{").partition("}")
        return cls(name, suffix.lower()) if closing else cls(None, text.lower())

    @property
    def rank(self) -> int:
        if self.parameter is None:
            return 1
        return 2 if self.literal else 3

    def matches(self, value: str) -> bool:
        if self.parameter is None:
            return value.lower() == self.literal
        return len(value) > len(self.literal) and value.lower().endswith(self.literal)


class Router:
    """The operations of the API by their paths."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._known: dict[int, dict[tuple[_Segment, ...], list[Route]]] = defaultdict(dict)
        for route in routes:
            template = tuple(_Segment.of(part) for part in route.template.split("/"))
            self._known[len(template)].setdefault(template, []).append(route)

    def find(self, path: str) -> Sequence[Route]:
        """The operations at an encoded path, one a method; empty if there is nothing."""
        values = [unquote(part) for part in path.strip("/").split("/")]
        found = [
            (tuple(segment.rank for segment in template), routes)
            for template, routes in self._known[len(values)].items()
            if all(map(_Segment.matches, template, values))
        ]
        return min(found, key=lambda item: item[0])[1] if found else ()
