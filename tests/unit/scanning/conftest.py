from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.scanning.limits import Budget, WalkLimits
from shared.adapters.scanning.walker import Findings, Walker
from tests.builders.walker import Engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def walk(tmp_path: Path) -> Callable[..., Findings]:
    def run(data: bytes, name: str = "f", *, may_be_delta: bool = False, **limits: Any) -> Findings:
        path = tmp_path / "file"
        path.write_bytes(data)
        budget = Budget(WalkLimits(**limits), len(data), lambda: 0.0, 1.0)
        found = Walker(Engine(), budget, tmp_path).walk(path, name, may_be_delta=may_be_delta)
        assert [each.name for each in tmp_path.iterdir()] == ["file"]
        return found

    return run
