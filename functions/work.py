"""Tells of what triggers do: a span, and the ids that log lines carry, around each run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.domain.errors import code_of
from shared.facts import about
from shared.signals import Facts, Metric, SpanKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.ports.telemetry import Telemetry, Told


@contextmanager
def work(
    telemetry: Telemetry,
    facts: Facts,
    kind: SpanKind = "consumer",
    *,
    parent: str = "",
    is_change: bool = False,
) -> Iterator[Told]:
    """What a function does once it was triggered.

    Args:
        telemetry: Whom to tell.
        facts: What it is about: `function` is its name, or that of a REST operation.
        kind: What triggered it: a request, something from a queue or stream, a timer.
        parent: W3C trace context that came with the trigger.
        is_change: Somebody has asked for a change.
    """
    function = facts["function"]
    with (
        about(**facts),
        telemetry.span(function, kind, parent=parent, is_change=is_change, **facts) as told,
    ):
        try:
            yield told
        except Exception as error:
            telemetry.record(Metric.FAILURES, function=function, code=code_of(error))
            raise
