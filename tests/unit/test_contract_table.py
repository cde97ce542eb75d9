"""The table of docs/agent.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "agent.md").read_text().partition("## The contract, item by item")[2]
NAMED = re.findall(r"\b(test_\w+)\.py(?:::(test_\w+))?", TABLE)


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_named_test_exists(file: str, test: str) -> None:
    found = list((ROOT / "tests").rglob(f"{file}.py"))

    assert found, f"there is no {file}.py"
    assert any(f"def {test}" in path.read_text() for path in found), f"{file}.py has no {test}"


@pytest.mark.parametrize("section", range(1, 7))
def test_table_has_every_section_of_the_contract(section: int) -> None:
    items = re.findall(rf"^\| (?:\d\.\d[^|]*)?\b{section}\.\d", TABLE, re.MULTILINE)

    assert len(items) > 1
