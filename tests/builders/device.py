"""Builders and looks that tests of device share."""

from __future__ import annotations

from typing import Any

from tests.unit.domain.builders import (
    failed,
)


def nameless() -> dict[str, Any]:
    """The failure that an agent reports which holds no workflow."""
    report = failed()
    del report["deviceUpdate"]["agent"]["workflow"]
    return report
