"""The further instances of a stack: once started with one, a state keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.stack.state import StateDirectory, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE = "instances.json"


def keep_instances(state: StateDirectory, chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the further instances of a state, those chosen now among them, and keep them."""
    instances = tuple(dict.fromkeys((*kept_instances(state), *chosen)))
    write_private(state.path / _FILE, json.dumps(instances).encode())
    return instances


def kept_instances(state: StateDirectory) -> tuple[str, ...]:
    """Return the further instances that the state was started with before."""
    try:
        names = json.loads((state.path / _FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return ()
    return tuple(name for name in names if isinstance(name, str))
