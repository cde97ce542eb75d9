"""The package starts by itself, with the platform's worker library, from an empty directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from local.package.build import build

REPOSITORY = Path(__file__).parents[3]
_LOAD = """
import asyncio, json, sys
from pathlib import Path
sys.path[:0] = [str(Path.cwd())]
sys.path.append(sys.argv[1])
from local.functions_host.worker import Worker

async def load():
    worker = Worker()
    functions = await worker.load(Path.cwd())
    worker.stop()
    import shared
    print(json.dumps([shared.__file__, sorted(function.name for function in functions)]))

asyncio.run(load())
"""


def test_package_is_indexed_by_the_worker_library_in_an_empty_directory(tmp_path: Path) -> None:
    package = build(REPOSITORY, tmp_path / "app.zip")
    folder = tmp_path / "app"
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)

    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOAD, str(REPOSITORY)],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    place, names = json.loads(done.stdout.splitlines()[-1])
    assert Path(place).is_relative_to(folder)
    assert {"import_update", "relay_twin_changes", "scan_quarantined", "sweep"} <= set(names)
