"""A storage that takes a million device rows at once, and a service that does nothing with them.

They stay in memory: on disk Azurite would write half a million as one text, too long for it.
`large_store.cjs` finds them, `many_rows.cjs` takes them, as the service writes them.
"""

from __future__ import annotations

from pathlib import Path

from local.stack.azurite import IN_MEMORY

_FOLDER = Path(__file__).parent
_PRELOADED = " ".join(
    f'--require "{_FOLDER / name}"' for name in ("large_store.cjs", "many_rows.cjs")
)
SETTINGS = {
    IN_MEMORY: "1",
    "NODE_OPTIONS": f"--max-old-space-size=12288 {_PRELOADED}",
    # what a service does by the minute would keep Azurite busy
    **{f"AzureWebJobs.{timer}.Disabled": "true" for timer in ("recount", "sweep")},
}
"""Further variables of a stack."""
