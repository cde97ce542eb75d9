"""Matching of request paths to route templates, by the rules of ASP.NET Core.

The path is split while still percent-encoded and each segment is decoded by itself, so an encoded
slash is part of a value. Literals are compared without regard to case. Where several templates
match, the more specific one wins: literal, then mixed or constrained, then free, then catch-all,
segment by segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.route_constraints import Constraint, parse_constraint

_PARAMETER = re.compile(r"\{((?:[^{}]|\{\{|\}\})*)\}")
_PARTS = re.compile(
    r"(?P<stars>\*{0,2})(?P<name>[^:=?*]+)(?P<constraints>(?::[^=?(]+(?:\(.*?\))?)*)"
    r"(?:=(?P<default>[^?]*))?(?P<optional>\?)?"
)
_CONSTRAINT = re.compile(r":([a-zA-Z]+)(?:\((.*?)\))?(?=:|$)")


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    constraints: tuple[Constraint, ...]
    optional: bool
    catch_all: bool
    default: str | None

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.default is not None

    def accepts(self, value: str) -> bool:
        return all(constraint(value) for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment: a literal, one whole parameter, or a mixture with a pattern of its own."""

    literal: str | None
    parameters: tuple[_Parameter, ...]
    pattern: re.Pattern[str] | None
    fixed_characters: int

    @property
    def whole(self) -> _Parameter | None:
        """The parameter that the segment consists of, if it is one."""
        return self.parameters[0] if self.parameters and self.pattern is None else None

    @property
    def precedence(self) -> int:
        """The digit that ASP.NET Core orders templates by, lowest first."""
        if self.literal is not None:
            return 1
        if self.pattern is not None:
            return 2
        (parameter,) = self.parameters
        return (5 if parameter.catch_all else 3) - (1 if parameter.constraints else 0)

    def match(self, value: str, values: dict[str, str]) -> bool:
        """Match a decoded segment that is not empty and add the values it holds."""
        if self.literal is not None:
            return value.lower() == self.literal
        if self.pattern is None:
            found: Sequence[str] = (value,)
        elif (match := self.pattern.fullmatch(value)) is not None:
            found = match.groups()
        else:
            return False
        for parameter, text in zip(self.parameters, found, strict=True):
            if not parameter.accepts(text):
                return False
            values[parameter.name] = text
        return True


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed route template."""

    text: str
    segments: tuple[_Segment, ...]

    @property
    def order(self) -> tuple[tuple[int, ...], int]:
        """Sort key: segment precedence first, then the one with more literal characters."""
        return (
            tuple(segment.precedence for segment in self.segments),
            -sum(segment.fixed_characters for segment in self.segments),
        )

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """Return the route values for the decoded segments of a path, or None."""
        values: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            whole = segment.whole
            if whole is not None and whole.catch_all:
                return values if _take_rest(whole, path[position:], values) else None
            if position < len(path):
                if not path[position] or not segment.match(path[position], values):
                    return None
            elif whole is None or not whole.may_be_absent:
                return None
            elif whole.default is not None:
                values[whole.name] = whole.default
        return values if len(path) <= len(self.segments) else None


def _take_rest(parameter: _Parameter, rest: Sequence[str], values: dict[str, str]) -> bool:
    text = "/".join(rest) or (parameter.default or "")
    if text:
        values[parameter.name] = text
    return parameter.accepts(text) if text or not parameter.optional else True


def parse_template(text: str) -> Template:
    """Parse a route template; what ASP.NET would refuse is a `StartError`."""
    stripped = text.strip("/")
    segments = tuple(_segment(part, text) for part in _split(stripped)) if stripped else ()
    for segment in segments[:-1]:
        if any(parameter.catch_all for parameter in segment.parameters):
            raise StartError(f"route {text}: a catch-all parameter must come last")
    names = [p.name.lower() for segment in segments for p in segment.parameters]
    if len(names) != len(set(names)):
        raise StartError(f"route {text}: a parameter appears twice")
    return Template(text, segments)


def _split(text: str) -> list[str]:
    """Split at the slashes outside of braces, since a constraint may hold one."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _segment(text: str, template: str) -> _Segment:
    parameters = [_parameter(match[1], template) for match in _PARAMETER.finditer(text)]
    literals = _PARAMETER.split(text)[::2]
    if not text or any("{" in part or "}" in part for part in literals):
        raise StartError(f"route {template}: segment {text!r} is not valid")
    if not parameters:
        return _Segment(text.lower(), (), None, len(text))
    if len(parameters) == 1 and not any(literals):
        return _Segment(None, tuple(parameters), None, 0)
    if any(p.catch_all or p.may_be_absent for p in parameters):
        raise StartError(f"route {template}: {text!r} mixes text with an optional parameter")
    if any(part == "" for part in literals[1:-1]):
        raise StartError(f"route {template}: {text!r} has two parameters with no text between them")
    pattern = "(.+)".join(re.escape(part) for part in literals)
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return _Segment(None, tuple(parameters), compiled, sum(map(len, literals)))


def _parameter(text: str, template: str) -> _Parameter:
    match = _PARTS.fullmatch(text)
    if match is None:
        raise StartError(f"route {template}: parameter {{{text}}} is not valid")
    try:
        constraints = tuple(
            parse_constraint(kind, arguments or None)
            for kind, arguments in _CONSTRAINT.findall(match["constraints"])
        )
    except (StartError, ValueError, re.error) as error:
        raise StartError(f"route {template}: parameter {{{text}}}: {error}") from error
    return _Parameter(
        name=match["name"],
        constraints=constraints,
        optional=bool(match["optional"]),
        catch_all=bool(match["stars"]),
        default=match["default"],
    )


@dataclass(frozen=True, slots=True)
class _Route[T]:
    template: Template
    methods: frozenset[str] | None
    target: T


class RouteTable[T]:
    """All routes of an app in the order in which they are tried."""

    def __init__(self, routes: Iterable[tuple[str, frozenset[str] | None, T]]) -> None:
        parsed = [_Route(parse_template(text), methods, item) for text, methods, item in routes]
        self._routes = sorted(parsed, key=lambda route: route.template.order)

    def find(self, method: str, raw_path: str) -> tuple[T, dict[str, str]] | None:
        """Return the target for a percent-encoded path and its route values, or None.

        A route that does not list the method does not match, so the answer is 404 and never 405.
        """
        path = decode_segments(raw_path)
        for route in self._routes:
            if route.methods is not None and method not in route.methods:
                continue
            if (values := route.template.match(path)) is not None:
                return route.target, values
        return None


def decode_segments(raw_path: str) -> list[str]:
    """Split a percent-encoded path and decode its segments; one trailing slash means nothing."""
    trimmed = raw_path.removeprefix("/").removesuffix("/")
    return [unquote(part) for part in trimmed.split("/")] if trimmed else []
