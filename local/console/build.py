"""Builds the web console into `functions/console_files`, unless what is there is up to date.

`build.py [--with-tests] NODE NPM`. Needs the standard library of any Python from 3.9 on, because
`./odu` runs it beside its own set-up. Only what the build needs is installed; `--with-tests` adds
the tools of the tests. One build runs at a time; its output goes to `console/build.log`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
_SOURCES = ("src", "public", "tooling")
_SINGLE = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
_MARK = ".mark"
_NICENESS = 5
"""The build gives way to what somebody waits for."""


class Console:
    """The console of one checkout: its sources, what is installed for it, what was built."""

    def __init__(self, root: Path = REPOSITORY) -> None:
        self.sources = root / "console"
        self.built = root / "functions" / "console_files"
        self.log = self.sources / "build.log"
        self.lock_file = self.sources / "build.lock"

    @property
    def exists(self) -> bool:
        """Whether the checkout has the sources of a console."""
        return (self.sources / "package-lock.json").exists()

    def is_current(self) -> bool:
        """Whether what was built is of the sources as they are."""
        return self.exists and _read(self.built / _MARK) == self.source_mark()

    def has_tools(self, *, with_tests: bool) -> bool:
        """Whether what the build, or the tests, need is installed."""
        marks = [self._install_mark(with_tests=True)]
        if not with_tests:
            marks.append(self._install_mark(with_tests=False))
        return _read(self.sources / "node_modules" / _MARK) in marks

    def source_mark(self) -> str:
        """Identify the sources."""
        files = [self.sources / name for name in _SINGLE]
        for folder in _SOURCES:
            files += (path for path in (self.sources / folder).rglob("*") if path.is_file())
        total = hashlib.sha256()
        for path in sorted(files):
            content = path.read_bytes() if path.exists() else b""
            name = path.relative_to(self.sources).as_posix().encode()
            total.update(hashlib.sha256(name + b"\0" + content).digest())
        return total.hexdigest()

    def is_being_built(self) -> bool:
        """Whether a build runs now."""
        try:
            with self.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def build(self, node: str, npm: str, *, with_tests: bool) -> None:
        """Install and build what is missing or out of date.

        Raises:
            subprocess.CalledProcessError: a tool ended with an error; the log says why.
        """
        with self._alone(), self.log.open("wb") as log:
            if not self.has_tools(with_tests=with_tests):
                self._install(node, npm, log, with_tests=with_tests)
            if not self.is_current():
                self._build(node, log)

    def _install(self, node: str, npm: str, log: IO[bytes], *, with_tests: bool) -> None:
        (self.sources / "node_modules" / _MARK).unlink(missing_ok=True)
        argv = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        argv += [] if with_tests else ["--omit=dev"]
        _run(argv, self.sources, node, log)
        mark = self._install_mark(with_tests=with_tests)
        (self.sources / "node_modules" / _MARK).write_text(mark)

    def _build(self, node: str, log: IO[bytes]) -> None:
        """Build beside what is served, then take its place."""
        mark = self.source_mark()
        fresh, old = self.sources / ".built", self.sources / ".replaced"
        vite = self.sources / "node_modules" / "vite" / "bin" / "vite.js"
        argv = [node, str(vite), "build", "--outDir", str(fresh), "--emptyOutDir"]
        _run(argv, self.sources, node, log)
        (fresh / _MARK).write_text(mark)
        shutil.rmtree(old, ignore_errors=True)
        if self.built.exists():
            self.built.rename(old)
        fresh.rename(self.built)
        shutil.rmtree(old, ignore_errors=True)

    def _install_mark(self, *, with_tests: bool) -> str:
        lock = (self.sources / "package-lock.json").read_bytes()
        return hashlib.sha256(lock + (b"tests" if with_tests else b"")).hexdigest()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.lock_file.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _run(argv: list[str], cwd: Path, node: str, log: IO[bytes]) -> None:
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    subprocess.run(argv, cwd=cwd, env=environment, stdout=log, stderr=log, check=True)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def main(arguments: list[str]) -> int:
    """Run the build."""
    with_tests = "--with-tests" in arguments
    node, npm = [each for each in arguments if not each.startswith("--")]
    os.nice(_NICENESS)
    try:
        Console().build(node, npm, with_tests=with_tests)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"odu: the console could not be built ({error})\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
