"""A twin section as last-writer-wins registers, one for each leaf.

Twin changes arrive late, twice, folded together and in any order, but each carries the version of
the whole twin. Keeping the version beside every leaf makes the merge commutative, associative and
idempotent: the same set of changes always ends in the same registers.

A register is `(version, value)`; value None is a tombstone: everything below the path that is older
is gone. Paths join twin keys with a dot, which no twin key may contain. The root's path is empty.
An empty object is written down as the removal of a member without a name: it says that whatever
else stood there is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

type Register = tuple[int, Any]
type Registers = Mapping[str, Register]

ROOT = ""
NAMELESS = ""


def merge(
    registers: Registers, version: int, patch: Mapping[str, Any], *, replace: bool = False
) -> Registers:
    """Fold one change of the twin into the registers.

    Args:
        registers: What is known so far.
        version: Version of the whole twin with this change.
        patch: The changed part, nested; None removes.
        replace: The patch is the whole section: what it does not name is gone.
    """
    merged = dict(registers)
    if replace:
        _put(merged, ROOT, version, None)
    for path, value in _leaves(patch, ROOT):
        _put(merged, path, version, value)
    return merged


def section(registers: Registers) -> dict[str, Any]:
    """The section as the nested object that the registers add up to."""
    nested: dict[str, Any] = {}
    for path in sorted(registers):
        value = registers[path][1]
        if value is None:
            continue
        parents, leaf = _split(path)
        place = nested
        for key in parents:
            place = place.setdefault(key, {})
        place[leaf] = value
    return nested


@lru_cache(maxsize=1024)
def _split(path: str) -> tuple[tuple[str, ...], str]:
    """The keys above a leaf, and its own."""
    *parents, leaf = path.split(".")
    return tuple(parents), leaf


def _put(registers: dict[str, Register], path: str, version: int, value: Any) -> None:
    known = registers.get(path)
    if known is not None and known[0] >= version:
        return
    above_it = [above for above in _ancestors(path) if above in registers]
    for above in above_it:
        if registers[above][0] > version:
            return
    newer_below = False
    # nothing is below a register that has a value, the usual case: spare the search
    is_leaf = known is not None and known[1] is not None
    for below in [] if is_leaf else [key for key in registers if _is_below(key, path)]:
        if registers[below][0] < version:
            del registers[below]
        else:
            newer_below = True
    for above in above_it:
        registers[above] = (registers[above][0], None)
    registers[path] = (version, None if newer_below else value)


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _leaves(value or {NAMELESS: None}, here)
        else:
            yield here, value


@lru_cache(maxsize=1024)
def _ancestors(path: str) -> tuple[str, ...]:
    """The paths above one, the nearest first; a fleet reports few different ones."""
    above = []
    while path:
        path = path.rpartition(".")[0]
        above.append(path)
    return tuple(above)


def _is_below(key: str, path: str) -> bool:
    return key != path and (path == ROOT or key.startswith(path + "."))
