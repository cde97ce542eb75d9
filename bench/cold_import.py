"""Cold start: a new process that imports the function app, against one without our own code.

The ceiling imports what `function_app` loads that is not ours, package by package, and nothing
else. What a first invocation loads on top (the SDKs that the adapters import where they are used)
is measured apart, in the same rounds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness import Measure, Options, Result, compared, in_turns

REPOSITORY = Path(__file__).parents[1]
_ROUNDS, _QUICK_ROUNDS = 15, 5
_OURS = ("function_app", "functions", "shared")
_FIRST_USE = {
    "tables": "azure.data.tables.aio",
    "blobs": "azure.storage.blob.aio",
    "queues": "azure.storage.queue.aio",
    "Event Grid": "azure.eventgrid.aio",
    "IoT Hub": "azure.iot.hub",
    "tokens": "jwt, aiohttp",
}
_LIST = """
import json, sys
before = set(sys.modules)
import function_app
print(json.dumps(sorted(set(sys.modules) - before)))
"""


async def run(options: Options) -> Sequence[Result]:
    """Measure the start of the whole process, in milliseconds."""
    loaded = await asyncio.to_thread(_loaded)
    foreign = [name for name in loaded if is_foreign(name)]
    ceiling = "import " + ", ".join(entry_points(foreign))
    measures: dict[str, Measure] = {
        "figure": _start_of("import function_app"),
        "ceiling": _start_of(ceiling),
        "interpreter": _start_of("pass"),
        **{name: _start_of(f"import {modules}") for name, modules in _FIRST_USE.items()},
    }
    samples = await in_turns(_QUICK_ROUNDS if options.quick else _ROUNDS, measures, options.say)
    bare = statistics.median(samples["interpreter"])
    return [
        compared(
            "cold_import",
            "ms",
            samples["figure"],
            samples["ceiling"],
            better="lower",
            notes={
                "ceiling": ceiling,
                "bare interpreter ms": round(bare, 1),
                "modules of ours": sum(name.partition(".")[0] in _OURS for name in loaded),
                "on first use, ms": {
                    name: round(statistics.median(samples[name]) - bare) for name in _FIRST_USE
                },
            },
        )
    ]


def is_foreign(module: str) -> bool:
    """Whether a module is neither ours nor Python's own."""
    top = module.partition(".")[0]
    return top not in _OURS and top not in sys.stdlib_module_names


def entry_points(modules: Sequence[str]) -> list[str]:
    """The outermost packages among some modules, those of the namespace `azure` one level down."""
    depth = {"azure": 2}
    cut = [module.split(".") for module in modules if module not in depth]
    tops = {".".join(parts[: depth.get(parts[0], 1)]) for parts in cut}
    return sorted(name for name in tops if not name.startswith("_"))


def _loaded() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST], cwd=REPOSITORY, capture_output=True, check=True
    )
    names: list[str] = json.loads(done.stdout)
    return names


def _start_of(statement: str) -> Measure:
    def measure() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], cwd=REPOSITORY, check=True)
        return (time.perf_counter() - started) * 1000

    async def measured() -> float:
        return await asyncio.to_thread(measure)

    return measured
