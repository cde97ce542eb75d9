"""Makes the mutants of an area and tries each with the tests that reach it; run in its copy.

`trial.py PROCESSES MOST TEST...`. mutmut makes the mutants and keeps what became of them. The tests
are collected once; for each mutant the process is forked and runs those that call its function, the
fastest first, until one fails. What is forked has run no test: nothing is cached in it. Mutants are
tried in the order of their names' hashes, so that those tried so far are a random sample.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import (
    copy_also_copy_files,
    copy_src_dir,
    setup_source_paths,
    walk_mutatable_files,
)
from mutmut.utils.format_utils import mangled_name_from_mutant_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_SECONDS = 2.0
"""So much of an area's tests for one mutant, in processor time: fast tests are to hold a rule."""
_LONGEST_SECONDS = 300.0
"""After that a child is given up, and nothing is said of its mutant: the machine may be busy. What
works without an end comes to the limit of its processor time before.
"""
_UNTESTED = 33
_SAVED_EVERY = 5.0

type _Cache = functools._lru_cache_wrapper[object]


def main(processes: int, most: int, tests: Sequence[str]) -> int:
    """Make the mutants and try those whose fate is not known; `most` bounds how many are tried
    in all, 0 does not.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        create_mutants(processes)
    trial = _Trial(processes, most, [_kept(path) for path in walk_mutatable_files()])
    options = ["--rootdir=.", "-q", "-s", "--tb=native", "--assert=plain"]
    os.chdir("mutants")
    arguments = [*options, *config().pytest_add_cli_args, *tests]
    return int(pytest.main(arguments, plugins=[trial])) if trial.waiting() else 0


def _kept(path: Path) -> SourceFileMutationData:
    """What is known of a module's mutants."""
    data = SourceFileMutationData(path=path)
    data.meta_path = data.meta_path.absolute()
    data.load()
    return data


@dataclass(frozen=True, slots=True)
class _Reach:
    """How long a test takes of the processor, and which functions it calls."""

    seconds: float
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that tries a mutant."""

    pid: int
    mutant: str
    file: SourceFileMutationData
    folder: str
    deadline: float


@dataclass
class _Trial:
    """A plugin that tries mutants in place of running the tests once."""

    processes: int
    most: int
    files: Sequence[SourceFileMutationData]
    _children: dict[int, _Child] = field(default_factory=dict)
    _saved: float = field(default_factory=time.monotonic)

    def waiting(self) -> list[tuple[SourceFileMutationData, str]]:
        """The mutants that are to be tried."""
        found = [(file, name) for file in self.files for name in file.exit_code_by_key]
        found.sort(key=lambda each: hashlib.sha256(each[1].encode()).digest())
        chosen = found[: self.most] if self.most else found
        return [(file, name) for file, name in chosen if file.exit_code_by_key[name] in (None, 2)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all tests once in a child, then those that reach it for each mutant."""
        if session.testsfailed:
            raise session.Interrupted("tests cannot be collected")
        caches = _caches()
        for cache in caches:  # some tests call the product while they are collected
            cache.cache_clear()
        gc.freeze()
        reaches = _observed(session, caches)
        sound = [item for item in session.items if item.nodeid in reaches]
        for item in set(session.items) - set(sound):
            print(f"left out, as it fails without a mutant: {item.nodeid}", flush=True)
        items = sorted(sound, key=lambda item: reaches[item.nodeid].seconds)
        begun, waiting = time.monotonic(), self.waiting()
        try:
            for file, mutant in waiting:
                self._try(session, (file, mutant), items, reaches)
            while self._children:
                self._reap()
        finally:
            for child in self._children.values():
                os.kill(child.pid, signal.SIGKILL)
            while self._children:
                self._reap(is_kept=False)
            self._save()
        rate = len(waiting) / (time.monotonic() - begun)
        print(f"{len(waiting)} mutants, {rate:.1f} a second", flush=True)
        return True

    def _try(
        self,
        session: pytest.Session,
        tried: tuple[SourceFileMutationData, str],
        items: Sequence[pytest.Item],
        reaches: dict[str, _Reach],
    ) -> None:
        file, mutant = tried
        function = mangled_name_from_mutant_name(mutant)
        chosen, seconds = list[pytest.Item](), 0.0
        for item in items:
            reach = reaches[item.nodeid]
            if function in reach.functions and (not chosen or seconds < _MOST_SECONDS):
                chosen.append(item)
                seconds += reach.seconds
        if not chosen:
            file.exit_code_by_key[mutant] = _UNTESTED
            return
        while len(self._children) >= self.processes:
            self._reap()
        folder = tempfile.mkdtemp(prefix="odu-mutant-")
        pid = _fork(lambda: _run(session, mutant, chosen, folder), 5 + int(5 * seconds))
        deadline = time.monotonic() + _LONGEST_SECONDS
        child = _Child(pid=pid, mutant=mutant, file=file, folder=folder, deadline=deadline)
        self._children[os.pidfd_open(pid)] = child

    def _reap(self, *, is_kept: bool = True) -> None:
        """Wait for the end of a child."""
        nearest = min(child.deadline for child in self._children.values()) - time.monotonic()
        ended = cast("list[int]", connection.wait(list(self._children), max(nearest, 0)))
        if not ended:
            for child in self._children.values():
                if child.deadline <= time.monotonic():
                    os.kill(child.pid, signal.SIGKILL)
        for descriptor in ended:
            child = self._children.pop(descriptor)
            os.close(descriptor)
            _, status = os.waitpid(child.pid, 0)
            shutil.rmtree(child.folder, ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            if is_kept and code != -signal.SIGKILL:
                child.file.exit_code_by_key[child.mutant] = code
        if time.monotonic() - self._saved > _SAVED_EVERY:
            self._save()

    def _save(self) -> None:
        for file in self.files:
            file.save()
        self._saved = time.monotonic()


def _observed(session: pytest.Session, caches: Sequence[_Cache]) -> dict[str, _Reach]:
    """Run every test in a child, the caches of the product empty before each; those that fail
    without a mutant are left out.
    """
    reading, writing = os.pipe()
    folder = tempfile.mkdtemp(prefix="odu-mutant-")

    def observe() -> bool:
        _place(folder)
        set_mutant_under_test("stats")
        with os.fdopen(writing, "w") as file:
            json.dump(dict(_reaches(session, caches)), file)
        return True

    pid = _fork(observe)
    os.close(writing)
    with os.fdopen(reading) as file:
        seen = file.read()
    os.waitpid(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)
    if not seen:
        raise session.Interrupted("the tests did not come to their end")
    return {
        nodeid: _Reach(seconds, frozenset(functions))
        for nodeid, (seconds, functions) in json.loads(seen).items()
    }


def _reaches(
    session: pytest.Session, caches: Sequence[_Cache]
) -> Iterator[tuple[str, tuple[float, list[str]]]]:
    for item, following in _in_order(session.items):
        for cache in caches:
            cache.cache_clear()
        state()._stats.clear()
        begun, failed = time.process_time(), session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed == failed:
            yield item.nodeid, (time.process_time() - begun, list(state()._stats))


def _caches() -> list[_Cache]:
    """Those of the product: what they keep hides a mutant."""
    return [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, functools._lru_cache_wrapper)
        and thing.__module__.partition(".")[0] in ("shared", "odu_agent")
    ]


def _in_order(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def _run(session: pytest.Session, mutant: str, items: Sequence[pytest.Item], folder: str) -> bool:
    """Whether all tests pass with a mutant."""
    _place(folder)
    set_mutant_under_test(mutant)
    for item, following in _in_order(items):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def _place(folder: str) -> None:
    """Give the tests a folder of their own for what they write."""
    os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = tempfile.tempdir = folder


def _fork(work: Callable[[], bool], most_cpu_seconds: int | None = None) -> int:
    """Do work in a child, without a word; its exit code says how it went."""
    if pid := os.fork():
        return pid
    code = 3
    with contextlib.suppress(BaseException):
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        if most_cpu_seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (most_cpu_seconds, most_cpu_seconds + 5))
        code = 0 if work() else 1
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
