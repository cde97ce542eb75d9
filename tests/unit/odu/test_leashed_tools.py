"""Tools that start processes start them on a leash, so that none outlives the tool."""

from __future__ import annotations

import importlib

import pytest

TOOLS = {
    "bench.command": ["reads"],
    "local.cli.lab": [],
    "local.cli.mutants": [],
    "local.cli.test": [],
}


class Leashed(Exception):
    """The tool has come to the leash, before anything was started."""


def refuse() -> None:
    raise Leashed


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_starts_is_leashed(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(tool)
    monkeypatch.setattr(module, "leashed", refuse)
    monkeypatch.setattr("subprocess.Popen", None)

    with pytest.raises(Leashed):
        module.main(TOOLS[tool])
