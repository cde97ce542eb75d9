"""The file ./odu as a module, and fake programs for it to find."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

ODU = Path(__file__).parents[3] / "odu"


def load_odu() -> ModuleType:
    """Import ./odu under the name `odu`, leaving no compiled file beside it."""
    loader = SourceFileLoader("odu", str(ODU))
    spec = importlib.util.spec_from_loader("odu", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def program(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
