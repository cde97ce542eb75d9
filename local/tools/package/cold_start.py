"""How long the unpacked package takes to be loaded by the worker library of the platform."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

_RUNS = 5
_LOAD = "import sys; sys.path.insert(0, '.'); import function_app; function_app.app.get_functions()"


def cold_start_seconds(package: Path) -> float:
    """Median time of a process that loads the package and lists its functions, bytecode
    compiled.
    """
    with tempfile.TemporaryDirectory(prefix="odu-package-") as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        times = []
        for _ in range(_RUNS + 1):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-P", "-c", _LOAD], cwd=folder, check=True)
            times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
