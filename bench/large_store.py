"""A storage for fleets that are too large for Azurite as it is; `large_store.cjs` says why."""

from __future__ import annotations

from pathlib import Path

from local.stack.azurite import IN_MEMORY

_FOLDER = Path(__file__).parent


def large_store(*further: str) -> dict[str, str]:
    """Variables of a stack whose storage keeps all in memory; `further` scripts of this folder are
    loaded into Azurite too.
    """
    loaded = (f'--require "{_FOLDER / name}"' for name in ("large_store.cjs", *further))
    options = " ".join(("--max-old-space-size=12288", *loaded))
    return {IN_MEMORY: "1", "NODE_OPTIONS": options}
