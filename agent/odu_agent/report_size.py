"""Reports that the hub takes: short from the start, and shorter still where it refuses them.

A twin holds 4 KB a text and 32 KB of reported properties in all; how much is left of that an agent
cannot know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .contract.twin import AGENT, DEVICE_UPDATE, SERVICE, component
from .redaction import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DETAILS_CHARACTERS = 512
_SHORT_CHARACTERS = 100
_RESULT = "lastInstallResult"


def brief(details: str | None, characters: int = DETAILS_CHARACTERS) -> str | None:
    """Details as one line without secrets, cut where they are long."""
    if details is None:
        return None
    line = one_line(redact(details.strip()))
    return line if len(line) <= characters else line[: characters - 1] + "…"


def ever_smaller(patch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A report, and what can be left of it where the hub refuses it for good.

    What matters most goes last: state, result code, workflow and installed update.
    """
    yield patch
    update = patch.get(DEVICE_UPDATE)
    update = update if isinstance(update, dict) else {}
    agent, service = update.get(AGENT), update.get(SERVICE)
    if isinstance(service, dict):
        yield component(DEVICE_UPDATE, {SERVICE: {**service, "value": None}})
    if not isinstance(agent, dict) or not isinstance(agent.get(_RESULT), dict):
        return
    result = agent[_RESULT]
    short = {**result, "resultDetails": brief(result.get("resultDetails"), _SHORT_CHARACTERS)}
    yield _with_result(agent, {**short, **_without_details(result)})
    yield _with_result(agent, {**short, "stepResults": None})
    yield _with_result(agent, {**short, "resultDetails": None, "stepResults": None})


def _with_result(agent: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return component(DEVICE_UPDATE, {AGENT: {**agent, _RESULT: result}})


def _without_details(result: Mapping[str, Any]) -> dict[str, Any]:
    steps = result.get("stepResults")
    if not isinstance(steps, dict):
        return {}
    bare = {name: {**step, "resultDetails": None} for name, step in steps.items()}
    return {"stepResults": bare}
