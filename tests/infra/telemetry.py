"""Where alerts and workbook ask for what is not told, or what is told is asked for by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.signals import ATTRIBUTE_PREFIX, FAILED, REFUSED, SUCCEEDED, Facts, Metric, Span
from shared.topology import QUEUES
from tests.infra.site import Site

_METRICS = re.compile(r"AppMetrics \| where Name == [\"']([^\"']+)[\"']")
_SPANS = re.compile(r"AppDependencies \| where Name == [\"']([^\"']+)[\"']")
_FACTS = re.compile(r"Properties\[[\"']([^\"']+)[\"']\]")
_RESULTS = re.compile(r"odu\.result[\"']\]\) == [\"']([^\"']+)[\"']")
_LEFT_OUT = re.compile(r"odu\.queue[\"']\]\) !in \(([^)]*)\)")


def queries(site: Site) -> dict[str, str]:
    """The query of each alert, and those of the workbook."""
    found = {
        str(alert.name): str(alert.properties["criteria"]["allOf"][0]["query"])
        for alert in site.of("Microsoft.Insights/scheduledQueryRules")
    }
    for book in site.of("Microsoft.Insights/workbooks"):
        found["workbook"] = str(book.properties["serializedData"]).replace('\\"', '"')
    return found


def signals_broken(site: Site) -> Iterator[str]:
    """Every name that is asked for is one of `shared.signals`, and each metric is asked for."""
    facts = {ATTRIBUTE_PREFIX + name for name in Facts.__annotations__}
    asked: set[str] = set()
    for name, query in queries(site).items():
        metrics, spans = set(_METRICS.findall(query)), set(_SPANS.findall(query))
        asked |= metrics
        quoted = {item for names in _LEFT_OUT.findall(query) for item in re.findall(r"\w+", names)}
        for kind, unknown in (
            ("metric", metrics - set(Metric)),
            ("span", spans - set(Span)),
            ("attribute", set(_FACTS.findall(query)) - facts),
            ("result", set(_RESULTS.findall(query)) - {SUCCEEDED, FAILED, REFUSED}),
            ("queue", quoted - set(QUEUES)),
        ):
            yield from (f"{name} asks for the {kind} {item}" for item in sorted(unknown))
    yield from (f"nobody asks for the metric {item}" for item in sorted(set(Metric) - asked))
