"""JSON Schema checking that reports every violation in our own words.

The messages name the rule and never repeat the value at fault: values may be secret (a SAS URL) or
huge. Patterns are checked through `FORMATS`, which bound the length before matching.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.contract.strictjson import dumps_compact
from shared.domain.errors import InvalidInput
from shared.domain.updates.file_name import file_name_violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jsonschema import Draft7Validator
    from jsonschema.exceptions import ValidationError

MAX_VIOLATIONS = 100
"""Most violations that one answer lists."""
MAX_PROPERTY = 256
"""Longest value of a property: a text, or any other JSON as text."""

_HANDLER = re.compile(r"[^\s/]+/[^\s:]+:[0-9]{1,5}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)

_WORDS: Mapping[str, str] = {
    "type": "must be of type {0}",
    "enum": "must be one of {0}",
    "const": "must be {0!r}",
    "minLength": "must have at least {0} characters",
    "maxLength": "must have at most {0} characters",
    "minItems": "must have at least {0} items",
    "maxItems": "must have at most {0} items",
    "minProperties": "must have at least {0} fields",
    "maxProperties": "must have at most {0} fields",
    "minimum": "must be at least {0}",
    "maximum": "must be at most {0}",
}


def schema_violations(schema: Callable[[], dict[str, Any]], document: object) -> list[InvalidInput]:
    """List how a document breaks a Draft 7 schema, in document order, at most `MAX_VIOLATIONS`.

    Args:
        schema: Gives the schema; compiled at first use and kept.
        document: Parsed JSON.
    """
    errors = sorted(
        islice(_validator(schema).iter_errors(document), MAX_VIOLATIONS),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    return [_translated(error) for error in errors]


def violation(target: str, reason: str) -> InvalidInput:
    """Make the error for one rule broken at a JSON pointer."""
    return InvalidInput(f"{target or 'document'}: {reason}", target=target)


def pointer(*parts: object) -> str:
    """Join keys and indexes to a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part)[:64].replace("~", "~0").replace("/", "~1") for part in parts)


def sha256_violation(value: str) -> str | None:
    """Say why a text is not the base64 of a SHA-256 digest, or return None."""
    reason = "must be the base64 of 32 bytes"
    if len(value) != 44:
        return reason
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return reason
    return None if base64.b64encode(digest).decode() == value and len(digest) == 32 else reason


def _handler_violation(value: str) -> str | None:
    if 5 <= len(value) <= 32 and _HANDLER.fullmatch(value):
        return None
    return "must be a handler id of 5 to 32 characters such as microsoft/script:1"


def _date_time_violation(value: str) -> str | None:
    reason = "must be an ISO 8601 time such as 2024-01-15T08:00:00Z"
    if len(value) > 40 or not _DATE_TIME.fullmatch(value):
        return reason
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return reason
    return None


def _property_violation(value: object) -> str | None:
    text = value if isinstance(value, str) else dumps_compact(value)
    return None if len(text) <= MAX_PROPERTY else f"must have at most {MAX_PROPERTY} characters"


FORMATS: Mapping[str, Callable[[str], str | None]] = {
    "file-name": file_name_violation,
    "sha256": sha256_violation,
    "handler": _handler_violation,
    "created": _date_time_violation,
}
"""What each `format` word of our schemas means for a text: the reason of a refusal, or None."""
VALUE_FORMATS: Mapping[str, Callable[[object], str | None]] = {"property": _property_violation}
"""The same for values of any type."""


@cache
def _validator(schema: Callable[[], dict[str, Any]]) -> Draft7Validator:
    # Imported here: jsonschema costs a cold start about 90 ms.
    from jsonschema import Draft7Validator, FormatChecker

    checker = FormatChecker(formats=())
    for name, rule in FORMATS.items():
        checker.checks(name, raises=ValueError)(_raising(_of_texts(rule)))
    for name, each in VALUE_FORMATS.items():
        checker.checks(name, raises=ValueError)(_raising(each))
    return Draft7Validator(schema(), format_checker=checker)


def _of_texts(rule: Callable[[str], str | None]) -> Callable[[object], str | None]:
    return lambda value: rule(value) if isinstance(value, str) else None


def _raising(rule: Callable[[object], str | None]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        reason = rule(value)
        if reason:
            raise ValueError(reason)
        return True

    return check


def _translated(error: ValidationError) -> InvalidInput:
    target = pointer(*error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        return violation(target, f"field name {str(error.instance)[:40]!r} {_reason(error)}")
    return violation(target, _reason(error))


def _reason(error: ValidationError) -> str:
    rule = str(error.validator)
    if rule == "format":
        return str(error.cause)
    if rule == "required":
        # One error per absent field; its message holds the name of the field and nothing else.
        return error.message.replace(" property", " field")
    if rule == "additionalProperties":
        return "has unknown fields: " + ", ".join(repr(name[:40]) for name in _unknown(error)[:5])
    return _WORDS[rule].format(error.validator_value)


def _unknown(error: Any) -> list[str]:
    return [name for name in error.instance if name not in error.schema["properties"]]
