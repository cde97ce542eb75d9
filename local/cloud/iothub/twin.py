"""Rules of device twins, without any storage.

A twin has tags, desired and reported properties. Sections change by JSON merge patch (RFC 7396),
where null removes a key. Each properties section counts its own changes in `$version` and keeps
beside each key when it last changed in `$metadata`; desired metadata also names the version of that
change. Limits are those of "Understand and use device twins in IoT Hub".
"""

from __future__ import annotations

import base64
import re
from typing import Any, Literal

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import invalid

type Json = dict[str, Any]

SectionName = Literal["desired", "reported"]
_SYSTEM_KEYS = ("$metadata", "$version")
_FORBIDDEN = re.compile(r"[.$ \x00-\x1f\x7f-\x9f]")


class Section(msgspec.Struct, frozen=True):
    """Desired or reported properties with their metadata and version."""

    properties: Json
    metadata: Json
    version: int = 1

    def view(self) -> Json:
        """Return the section as it appears inside a twin document."""
        return {**self.properties, "$metadata": self.metadata, "$version": self.version}

    def device_view(self) -> Json:
        """Return the section as devices see it: without metadata."""
        return {**self.properties, "$version": self.version}


class Twin(msgspec.Struct, frozen=True):
    """One twin. `revision` counts changes of tags and desired, and makes the ETag."""

    tags: Json
    desired: Section
    reported: Section
    version: int = 2
    revision: int = 1

    @property
    def etag(self) -> str:
        """ETag of tags and desired properties; reported properties do not change it."""
        return base64.b64encode(self.revision.to_bytes(8)).decode()


class Change(msgspec.Struct, frozen=True):
    """A changed twin and what the change event says about it."""

    twin: Twin
    event: Json
    desired_patch: Json | None = None
    """What connected devices are told, or None when desired properties did not change."""


def new_twin(now: str) -> Twin:
    """Return the empty twin of an identity created at `now` (ISO 8601)."""
    return Twin({}, Section({}, _stamp("desired", now, 1)), Section({}, _stamp("reported", now, 1)))


def patch_twin(twin: Twin, body: Json, now: str) -> Change:
    """Merge tags and desired properties into a twin.

    Raises:
        HubError: 400 naming the offending path.
    """
    tags, desired = _service_sections(body)
    event: Json = {"version": twin.version + 1}
    new = twin
    if tags is not None:
        _check_patch(tags, "tags")
        new = msgspec.structs.replace(new, tags=_merge(new.tags, tags))
        _check_size(new.tags, "tags", limits.TAGS_SIZE)
        event["tags"] = tags
    patch = None
    if desired is not None:
        section, metadata = merge_section(twin.desired, desired, "desired", now)
        new = msgspec.structs.replace(new, desired=section)
        patch = {**_user_part(desired), "$version": section.version}
        event["properties"] = {"desired": {**patch, "$metadata": metadata}}
    new = msgspec.structs.replace(new, version=twin.version + 1, revision=twin.revision + 1)
    return Change(new, event, patch)


def replace_twin(twin: Twin, body: Json, now: str) -> Change:
    """Put the given tags and desired properties in place of the present ones.

    Raises:
        HubError: 400 naming the offending path.
    """
    tags, desired = _service_sections(body)
    _check_patch(tags or {}, "tags")
    base = Section({}, {}, twin.desired.version)
    section, _ = merge_section(base, desired or {}, "desired", now)
    new = Twin(
        tags=_merge({}, tags or {}),
        desired=section,
        reported=twin.reported,
        version=twin.version + 1,
        revision=twin.revision + 1,
    )
    _check_size(new.tags, "tags", limits.TAGS_SIZE)
    return Change(new, document(new), section.device_view())


def report(twin: Twin, patch: object, now: str) -> Change:
    """Merge what a device reports into its twin.

    Raises:
        HubError: 400 naming the offending path.
    """
    if not isinstance(patch, dict):
        raise invalid("Reported properties must be a JSON object.")
    section, metadata = merge_section(twin.reported, patch, "reported", now)
    new = msgspec.structs.replace(twin, reported=section, version=twin.version + 1)
    reported = {**_user_part(patch), "$metadata": metadata, "$version": section.version}
    return Change(new, {"version": new.version, "properties": {"reported": reported}})


def document(twin: Twin) -> Json:
    """Return the part of a twin document that the twin itself holds."""
    return {
        "etag": twin.etag,
        "version": twin.version,
        "tags": twin.tags,
        "properties": {"desired": twin.desired.view(), "reported": twin.reported.view()},
    }


def merge_section(
    section: Section, patch: Json, name: SectionName, now: str
) -> tuple[Section, Json]:
    """Return the section after a merge patch, and the metadata of the changed parts alone.

    Raises:
        HubError: 400 naming the offending path.
    """
    patch = _user_part(patch)
    _check_patch(patch, f"properties.{name}")
    version = section.version + 1
    stamp = _stamp(name, now, version)
    properties = _merge(section.properties, patch)
    _check_size(properties, f"properties.{name}", limits.PROPERTIES_SIZE)
    metadata = _merge_metadata(section.metadata, patch, stamp)
    return Section(properties, metadata, version), _changed_metadata(patch, stamp)


def _stamp(name: SectionName, now: str, version: int) -> Json:
    stamp: Json = {"$lastUpdated": now}
    if name == "desired":
        stamp["$lastUpdatedVersion"] = version
    return stamp


def _user_part(section: Json) -> Json:
    return {key: value for key, value in section.items() if key not in _SYSTEM_KEYS}


def _service_sections(body: Json) -> tuple[Json | None, Json | None]:
    properties = body.get("properties") or {}
    if not isinstance(properties, dict):
        raise invalid("properties must be a JSON object.")
    tags, desired = body.get("tags"), properties.get("desired")
    for name, value in (("tags", tags), ("properties.desired", desired)):
        if value is not None and not isinstance(value, dict):
            raise invalid(f"{name} must be a JSON object.")
    return tags, desired


def _merge(target: Json, patch: Json) -> Json:
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            old = merged.get(key)
            merged[key] = _merge(old if isinstance(old, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def _merge_metadata(metadata: Json, patch: Json, stamp: Json) -> Json:
    merged = {**metadata, **stamp}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge_metadata(merged.get(key, {}), value, stamp)
        else:
            merged[key] = stamp
    return merged


def _changed_metadata(patch: Json, stamp: Json) -> Json:
    return dict(stamp) | {
        key: _changed_metadata(value, stamp) if isinstance(value, dict) else stamp
        for key, value in patch.items()
        if value is not None
    }


def _check_patch(value: Json, path: str, depth: int = 1) -> None:
    if depth > limits.DEPTH:
        raise invalid(f"{path} is nested deeper than {limits.DEPTH} levels.")
    for key, child in value.items():
        where = f"{path}.{key[:64]}"
        if len(key.encode()) > limits.KEY_SIZE:
            raise invalid(f"The key {where} is longer than {limits.KEY_SIZE} bytes.")
        if not key or _FORBIDDEN.search(key):
            raise invalid(
                f"The key {where} is empty or holds one of '.', '$', space, control characters."
            )
        _check_value(child, where, depth)


def _check_value(value: object, path: str, depth: int) -> None:
    if isinstance(value, dict):
        _check_patch(value, path, depth + 1)
    elif isinstance(value, list):
        if depth + 1 > limits.DEPTH:
            raise invalid(f"{path} is nested deeper than {limits.DEPTH} levels.")
        for index, item in enumerate(value):
            _check_value(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        if len(value.encode()) > limits.STRING_SIZE:
            raise invalid(f"The value of {path} is longer than {limits.STRING_SIZE} bytes.")
    elif isinstance(value, int) and not limits.INTEGER_MIN <= value <= limits.INTEGER_MAX:
        raise invalid(f"The integer at {path} does not fit into 52 bits and a sign.")


def _check_size(section: Json, path: str, limit: int) -> None:
    size = measure(section)
    if size > limit:
        raise invalid(f"{path} would be {size} bytes; the limit is {limit} bytes.")


def measure(value: object) -> int:
    """Return the size of a value as the hub counts it: text in UTF-8, numbers 8, booleans 4."""
    match value:
        case dict():
            return sum(len(key.encode()) + measure(child) for key, child in value.items())
        case list():
            return sum(measure(item) for item in value)
        case str():
            return len(value.encode())
        case bool():
            return 4
        case None:
            return 0
        case _:
            return 8
