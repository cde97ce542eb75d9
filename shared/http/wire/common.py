"""Addresses, ETags, errors and names of updates."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote, urlencode

from shared.domain.operation import Failure
from shared.domain.updates.update_id import UpdateId
from shared.http import models
from shared.ports import Stored


def path(instance: str, *segments: str, **query: str) -> str:
    """A relative address below an instance; segments are escaped."""
    escaped = "/".join(quote(segment, safe="") for segment in segments)
    return f"/deviceUpdate/{quote(instance, safe='')}/{escaped}" + (
        f"?{urlencode(query, quote_via=quote)}" if query else ""
    )


def etag(stored: Stored[Any]) -> str:
    """An ETag as the API has it: short, quoted, and without what it is made of."""
    return tag_of(stored.etag.encode())


def tag_of(content: bytes) -> str:
    """The ETag of bytes: short, quoted, and without what it is made of."""
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def error(failure: Failure, occurred_at: str | None = None) -> models.Error:
    """An error with its details and causes."""
    return models.Error(
        code=failure.code,
        message=failure.message,
        target=failure.target,
        details=[error(item) for item in failure.details] or None,
        innererror=_inner_error(failure.inner) if failure.inner else None,
        occurred_date_time=occurred_at,
    )


def _inner_error(failure: Failure) -> models.InnerError:
    return models.InnerError(
        code=failure.code,
        message=failure.message,
        inner_error=_inner_error(failure.inner) if failure.inner else None,
    )


def update_id(item: UpdateId) -> models.UpdateId:
    """The identity of an update."""
    return models.UpdateId(provider=item.provider, name=item.name, version=item.version)


def update_info(item: UpdateId) -> models.UpdateInfo:
    """An update as others refer to it; `name_updates` completes it when it is answered."""
    return models.UpdateInfo(update_id=update_id(item))


def update_path(instance: str, item: UpdateId, api_version: str) -> str:
    """Where an update is read."""
    return path(
        instance,
        "updates",
        "providers",
        item.provider,
        "names",
        item.name,
        "versions",
        item.version,
        **{"api-version": api_version},
    )
