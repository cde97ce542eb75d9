"""Run the agent's unit tests on every Python it supports that this machine has.

    python agent/run_tests_on.py             # 3.9 to 3.14, from PATH and pyenv
    python agent/run_tests_on.py python3.9   # these only

Each gets a virtual environment in build/pythons/, kept for the next time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
VERSIONS = [f"3.{minor}" for minor in range(9, 15)]
TESTS = ["tests/unit/agent", "tests/unit/contract"]
SERVICE_TESTS = ["tests/unit/agent/test_a02_freeze.py", "tests/unit/contract/test_visible.py"]
"""They need the service beside the agent, which runs on its own Python only."""
_INI = """\
[pytest]
asyncio_mode = auto
timeout = 240
addopts = -ra --strict-markers -p no:cacheprovider
"""


def main(given: list[str]) -> int:
    """Run the tests; returns the exit code."""
    pythons = given or found()
    if not pythons:
        sys.stderr.write("no supported Python found\n")
        return 2
    results = {python: run(python) for python in pythons}
    for python, code in results.items():
        print(f"{'ok' if code == 0 else 'FAILED':<7}{python}", flush=True)  # noqa: T201
    return 1 if any(results.values()) else 0


def found() -> list[str]:
    """One interpreter of each version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = []
    for version in VERSIONS:
        candidates = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        candidates += [path for path in (shutil.which(f"python{version}"),) if path]
        usable = [path for path in candidates if _is(path, version)]
        pythons += usable[:1]
    return pythons


def run(python: str) -> int:
    """Run the tests with one interpreter; returns pytest's exit code."""
    folder = REPOSITORY / "build" / "pythons" / _version(python)
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    requirements = Path(__file__).with_name("requirements-test.in")
    install = [str(own), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
    subprocess.run(install, check=True)
    ini = folder / "pytest.ini"
    ini.write_text(_INI)
    ignored = [f"--ignore={test}" for test in SERVICE_TESTS]
    options = ["-q", "-c", str(ini), "--rootdir=.", "--confcutdir=tests/unit/agent", *ignored]
    # CI has hypothesis draw the same examples each time, and not mind a busy machine.
    environment = {**os.environ, "PYTHONPATH": f".{os.pathsep}agent", "CI": "true"}
    command = [str(own), "-m", "pytest", *options, *TESTS]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


def _version(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _is(python: str, version: str) -> bool:
    try:
        return _version(python) == version
    except (OSError, subprocess.CalledProcessError):
        # A shim of a version that is not chosen.
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
