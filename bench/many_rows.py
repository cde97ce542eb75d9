"""A storage that takes a million device rows at once, and a service that does nothing with them.

They stay in memory: on disk Azurite would write half a million as one text, too long for it.
`large_store.cjs` finds them, `many_rows.cjs` takes them, as the service writes them.
"""

from __future__ import annotations

from bench.large_store import large_store

SETTINGS = {
    **large_store("many_rows.cjs"),
    # what a service does by the minute would keep Azurite busy
    **{f"AzureWebJobs.{timer}.Disabled": "true" for timer in ("recount", "sweep")},
}
"""Further variables of a stack."""
