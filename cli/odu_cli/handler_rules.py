"""What the standard step handlers require of a step.

The service imports a step whatever its handler makes of it, for handlers are plug-ins of devices. A
step that breaks these rules imports, and then fails on every device.
https://learn.microsoft.com/azure/iot-hub-device-update/import-schema
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.updates.import_manifest import InlineStep
from shared.domain.updates.schema_check import violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.domain.errors import InvalidInput
    from shared.domain.updates.import_manifest import ImportManifest

SCRIPT, CRITERIA = "scriptFileName", "installedCriteria"
_SWU = "swuFileName"
_API_VERSIONS = ("1.0", "1.1")


@dataclass(frozen=True, slots=True)
class HandlerRule:
    """What one handler requires.

    Attributes:
        file_properties: Properties that name one of the step's files, with its usual suffix.
        needs_criteria: Whether `installedCriteria` must be there.
        fewest: Least number of files.
        most: Greatest number of files.
    """

    file_properties: tuple[tuple[str, str], ...] = ()
    needs_criteria: bool = False
    fewest: int = 1
    most: int = 10


RULES = {
    "microsoft/script:1": HandlerRule(((SCRIPT, ".sh"),)),
    "microsoft/swupdate:2": HandlerRule(((SCRIPT, ".sh"), (_SWU, ".swu")), fewest=2),
    "microsoft/swupdate:1": HandlerRule(needs_criteria=True, most=1),
    "microsoft/apt:1": HandlerRule(needs_criteria=True, most=1),
    "microsoft/wim:1": HandlerRule(needs_criteria=True, most=1),
    "opendu/image:1": HandlerRule(needs_criteria=True, most=1),
    "opendu/rauc:1": HandlerRule(needs_criteria=True, most=1),
}
"""By handler; of others nothing is known."""


def handler_violations(manifest: ImportManifest) -> list[InvalidInput]:
    """List what the handlers of a manifest's steps would refuse, with JSON pointers."""
    return [
        broken
        for index, step in enumerate(manifest.steps)
        if isinstance(step, InlineStep) and step.handler in RULES
        for broken in _step_violations(f"/instructions/steps/{index}", step)
    ]


def default_properties(handler: str, names: Sequence[str], version: str) -> dict[str, str]:
    """The properties that a handler requires, as they usually are.

    Args:
        handler: Its id.
        names: The names of the step's files, in the order of the command line.
        version: Of the update; what is installed is told by it.
    """
    rule = RULES.get(handler)
    if rule is None or not names:
        return {}
    found = {}
    for field, suffix in rule.file_properties:
        fitting = [name for name in names if name.endswith(suffix)]
        if fitting or field == SCRIPT:
            found[field] = (fitting or names)[0]
    return {**found, CRITERIA: version}


def _step_violations(at: str, step: InlineStep) -> Iterator[InvalidInput]:
    rule, properties = RULES[step.handler], step.handler_properties
    count = len(step.files)
    if count < rule.fewest:
        yield violation(f"{at}/files", f"{step.handler} needs at least {rule.fewest} files")
    if count > rule.most:
        yield violation(f"{at}/files", f"{step.handler} takes exactly one file, not {count}")
    for field, _ in rule.file_properties:
        yield from _file_violations(f"{at}/handlerProperties/{field}", field, step)
    if rule.needs_criteria and not _is_text(properties.get(CRITERIA)):
        yield violation(f"{at}/handlerProperties/{CRITERIA}", f"is required by {step.handler}")
    yield from _api_version_violations(f"{at}/handlerProperties/apiVersion", rule, properties)


def _file_violations(at: str, field: str, step: InlineStep) -> Iterator[InvalidInput]:
    name = step.handler_properties.get(field)
    if not _is_text(name):
        yield violation(at, f"is required by {step.handler}: the name of one of the step's files")
    elif name not in step.files:
        yield violation(at, "names none of the step's files")


def _api_version_violations(
    at: str, rule: HandlerRule, properties: Mapping[str, Any]
) -> Iterator[InvalidInput]:
    if rule.file_properties and properties.get("apiVersion", "1.0") not in _API_VERSIONS:
        yield violation(at, f"must be one of {', '.join(_API_VERSIONS)}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
