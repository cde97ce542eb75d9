"""Cold start: a new process that imports the function app, beside one without our own code.

The ceiling imports what `function_app` loads that is not ours, package by package, and nothing
else. With `from source`, our modules have no bytecode, as when a package is deployed without it to
a file system that takes none. What a first invocation loads on top (the SDKs that the adapters
import where they are used) is measured apart, in the same rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
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
    "telemetry to a collector": (
        "shared.adapters.telemetry.pipeline, opentelemetry.exporter.otlp.proto.http._log_exporter, "
        "opentelemetry.exporter.otlp.proto.http.metric_exporter, "
        "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    ),
    "telemetry to Azure Monitor": (
        "shared.adapters.telemetry.pipeline, azure.monitor.opentelemetry.exporter"
    ),
}
"""The last is imported a second after the first answer: `shared.adapters.telemetry.late`."""
_APP = "import function_app"
_LIST = """
import json, sys
before = set(sys.modules)
import function_app
print(json.dumps(sorted(set(sys.modules) - before)))
"""


async def run(options: Options) -> Sequence[Result]:
    """Measure the start of the whole process, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as folder:
        return await _run(options, Path(folder))


async def _run(options: Options, folder: Path) -> Sequence[Result]:
    compiled, foreign_only = _Start(folder / "all"), _Start(folder / "foreign")
    loaded: list[str] = json.loads(await asyncio.to_thread(compiled.warm, _LIST))
    foreign = [name for name in loaded if is_foreign(name)]
    ceiling = "import " + ", ".join(entry_points(foreign))
    first_use = {name: f"import {modules}" for name, modules in _FIRST_USE.items()}
    for statement in first_use.values():
        await asyncio.to_thread(compiled.warm, statement)
    not_ours = [name for name in loaded if name.partition(".")[0] not in _OURS]
    await asyncio.to_thread(foreign_only.warm, _importing(not_ours))
    measures: dict[str, Measure] = {
        "figure": compiled.of(_APP),
        "ceiling": compiled.of(ceiling),
        "from source": foreign_only.of(_APP),
        "interpreter": compiled.of("pass"),
        **{name: compiled.of(statement) for name, statement in first_use.items()},
    }
    samples = await in_turns(_QUICK_ROUNDS if options.quick else _ROUNDS, measures, options.say)
    bare = statistics.median(samples["interpreter"])
    notes = {
        "ceiling": ceiling,
        "bare interpreter, ms": round(bare, 1),
        "modules of ours": len(loaded) - len(not_ours),
        "more on first use, ms": {
            name: round(statistics.median(samples[name]) - bare) for name in first_use
        },
    }
    figures, ceilings = samples["figure"], samples["ceiling"]
    return [
        compared("cold_import", "ms", figures, ceilings, better="lower", notes=notes),
        compared(
            "cold_import, from source", "ms", samples["from source"], ceilings, better="lower"
        ),
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


def _importing(modules: Sequence[str]) -> str:
    return f"import importlib\nfor name in {list(modules)!r}: importlib.import_module(name)"


class _Start:
    """Starts Python with a bytecode cache of its own, which only `warm` writes to."""

    def __init__(self, cache: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
        self._environment = {**kept, "PYTHONPYCACHEPREFIX": str(cache)}

    def warm(self, program: str) -> str:
        """Run a program once; what it prints."""
        return self._run(program, self._environment)

    def of(self, program: str) -> Measure:
        """How long a process takes that runs a program, in milliseconds."""
        environment = {**self._environment, "PYTHONDONTWRITEBYTECODE": "1"}

        def measure() -> float:
            started = time.perf_counter()
            self._run(program, environment)
            return (time.perf_counter() - started) * 1000

        async def measured() -> float:
            return await asyncio.to_thread(measure)

        return measured

    @staticmethod
    def _run(program: str, environment: Mapping[str, str]) -> str:
        argv = [sys.executable, "-c", program]
        return subprocess.run(
            argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
