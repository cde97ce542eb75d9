"""Telemetry: traces, metrics, and the ids that log lines carry."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, Unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.signals import Facts, Metric, SpanKind


class Told(Protocol):
    """A span that is open."""

    def add(self, **facts: Unpack[Facts]) -> None:
        """Say more of it."""
        ...


class Telemetry(Protocol):
    """Tells what the service does. Nothing of it ever fails."""

    @property
    def is_on(self) -> bool:
        """Whether anybody is told: else nothing needs to be measured."""
        ...

    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        *,
        parent: str = "",
        began: str = "",
        is_change: bool = False,
        **facts: Unpack[Facts],
    ) -> AbstractContextManager[Told]:
        """Work that takes as long as the block; an error that leaves the block is told by its code.

        Args:
            name: One of `Span`, or the function that a trigger has started.
            kind: Which side of a call it is.
            parent: W3C trace context of what it belongs to. Where that is another trace than the
                one that is open, the span is linked to the open one.
            began: When it began, ISO 8601; now if empty.
            is_change: Somebody has asked for a change: a trace that begins here is always recorded.
            facts: What it is about.
        """
        ...

    @property
    def traceparent(self) -> str:
        """W3C trace context of the open span, to be carried on; empty if there is none."""
        ...

    def record(self, metric: Metric, value: float = 1, **facts: Unpack[Facts]) -> None:
        """Add to a counter, or give a value of another metric."""
        ...


class NoTelemetry:
    """Implements `Telemetry` where it is off: what came in is not even carried on."""

    is_on = False

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        *,
        parent: str = "",
        began: str = "",
        is_change: bool = False,
        **facts: Unpack[Facts],
    ) -> Iterator[Told]:
        """See the port."""
        yield self

    def add(self, **facts: Unpack[Facts]) -> None:
        """See `Told`."""

    @property
    def traceparent(self) -> str:
        """See the port."""
        return ""

    def record(self, metric: Metric, value: float = 1, **facts: Unpack[Facts]) -> None:
        """See the port."""


NO_TELEMETRY = NoTelemetry()
