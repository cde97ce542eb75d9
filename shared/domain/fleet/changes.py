"""Things that have changed, as live pages are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was written: a group's figures, a deployment, an update, an operation.

    `etag` is different each time it is written. A deployment's id is `group/deployment`.
    """

    kind: Literal["group", "deployment", "update", "operation"]
    identity: str
    etag: str
