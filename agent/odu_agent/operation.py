"""A verified deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract.manifest import UpdateManifest
    from .workflow import Command


@dataclass(frozen=True)
class Operation:
    """What is carried out; `package_code` tells what became of the root key package."""

    command: Command
    manifest: UpdateManifest
    package_code: int
