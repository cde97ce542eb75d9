"""The YARA rules in force and their version, without loading the engine."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from shared.adapters.scanning.limits import WALKER_VERSION
from shared.domain.scanning.scan import Knowledge

BUILT_IN = Path(__file__).parent / "rules"
ENGINE = "yara-x"


def rule_sources(folders: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the text of every rule file of the folders, in a fixed order."""
    return tuple(
        path.read_text("utf-8") for folder in folders for path in sorted(folder.glob("*.yar"))
    )


def rules_version(sources: tuple[str, ...]) -> str:
    """Return a short hash that changes whenever a rule does."""
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def knowledge_of(sources: tuple[str, ...]) -> Knowledge:
    """Return what the engine knows with these rules."""
    return Knowledge(ENGINE, f"{version(ENGINE)}+walker.{WALKER_VERSION}", rules_version(sources))
