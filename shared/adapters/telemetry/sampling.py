"""Which traces are recorded: every change that somebody asks for, and a share of the rest."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

IS_CHANGE = "odu.is_change"
"""Attribute of a span that begins a trace which is always recorded."""
_SAMPLE_RATE = "_MS.sampleRate"
"""By it Azure Monitor counts a span for as many as it stands for."""


class ChangesAndShare(Sampler):
    """What belongs to a trace goes with it; of new traces, changes and a share are recorded."""

    def __init__(self, share: float) -> None:
        self._share = TraceIdRatioBased(share)
        self._rate = 100.0 * share

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See `Sampler`."""
        parent = trace.get_current_span(parent_context).get_span_context()
        is_change = bool(attributes and attributes.get(IS_CHANGE))
        if parent.is_valid:
            is_recorded, rate = parent.trace_flags.sampled, 100.0
        elif is_change:
            is_recorded, rate = True, 100.0
        else:
            found = self._share.should_sample(parent_context, trace_id, name)
            is_recorded, rate = found.decision is Decision.RECORD_AND_SAMPLE, self._rate
        if not is_recorded:
            return SamplingResult(Decision.DROP)
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE, {**(attributes or {}), _SAMPLE_RATE: rate}
        )

    def get_description(self) -> str:
        """See `Sampler`."""
        return f"ChangesAndShare{{{self._rate:g} %}}"
