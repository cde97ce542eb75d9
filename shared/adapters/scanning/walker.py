"""Finds everything inside a file that a scan engine should see.

Containers are known by their magic, never by their name: zip, gzip, bzip2, xz, zstd, tar, cpio and
ar, nested to any mixture within `WalkLimits`. Memory stays bounded: members pass in pieces of 1 MiB
and large ones wait in unnamed temporary files, which vanish with the process.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from shared.adapters.scanning.codecs import bzip2_codec, gzip_codec, xz_codec, zstd_codec
from shared.adapters.scanning.limits import (
    Budget,
    NeedsDictionary,
    OutOfTime,
    TreeLimit,
    Unscannable,
)
from shared.adapters.scanning.members import (
    TAR_BLOCK,
    Entry,
    Reader,
    ar_reader,
    cpio_reader,
    is_tar_header,
    stream_reader,
    tar_reader,
)
from shared.adapters.scanning.zip_members import has_zip_end, zip_reader

Engine = Callable[[bytes | Path, float], tuple[str, ...]]
"""Scans flat bytes, or the file at a path, within so many seconds; gives the names found.

Raises `Unscannable` for what it does not look at.
"""

_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)))
_MAGICS: tuple[tuple[tuple[bytes, ...], Reader], ...] = (
    ((b"PK\3\4", b"PK\5\6"), zip_reader),
    ((b"\x1f\x8b",), stream_reader(gzip_codec, (b"\x1f\x8b",))),
    ((b"BZh",), stream_reader(bzip2_codec, (b"BZh",))),
    ((b"\xfd7zXZ\0",), stream_reader(xz_codec, (b"\xfd7zXZ\0",))),
    (_ZSTD_MAGICS, stream_reader(zstd_codec, _ZSTD_MAGICS)),
    ((b"070701", b"070702"), cpio_reader),
    ((b"!<arch>\n",), ar_reader),
)


@dataclass(slots=True)
class Findings:
    """What a walk has seen; `unscannable` is the first member that could not be looked into."""

    names: tuple[str, ...] = ()
    member_path: str | None = None
    unscannable: tuple[str, str] | None = None
    members: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Walker:
    """One walk through one file.

    Args:
        engine: Looks at flat bytes.
        budget: What the walk may cost.
        spool_folder: Where large members wait; the system's temporary folder by default.
    """

    engine: Engine
    budget: Budget
    spool_folder: Path | None = None
    findings: Findings = field(default_factory=Findings)
    _may_be_delta: bool = field(default=False, init=False)

    def walk(self, path: Path, name: str, *, may_be_delta: bool = False) -> Findings:
        """Scan a file and all that is inside; stops at the first malware.

        Args:
            path: The file.
            name: What the report calls it.
            may_be_delta: It may be a difference to an older file, which zstd packs with that as its
                dictionary: then its bytes are all there is to see.

        Raises:
            OutOfTime: The deadline has passed.
        """
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            try:
                self._may_be_delta = may_be_delta
                self._visit(_Member(name, file, size, path), 0)
            except _Found as found:
                self.findings.names = found.names
                self.findings.member_path = found.member_path
            except Unscannable as error:
                self._note(name, error)
        return self.findings

    def _visit(self, member: _Member, depth: int) -> None:
        self.findings.members += 1
        self.findings.bytes += member.size
        names = self.engine(member.flat(), self.budget.seconds_left())
        try:
            self._open(member, depth)
        except _Found as inner:
            raise _Found(tuple(dict.fromkeys(inner.names + names)), inner.member_path) from None
        except (Unscannable, OutOfTime):
            if not names:
                raise
        # Only now, so that the innermost member is named: a tar shows what its members hold.
        if names:
            raise _Found(names, member.path_shown)

    def _open(self, member: _Member, depth: int) -> None:
        readers = _readers(member)
        if readers and depth == self.budget.limits.depth:
            raise Unscannable(f"is nested deeper than {depth} containers")
        for reader in readers:
            try:
                for entry in reader(member.file, member.size, self.budget.limits):
                    self._enter(entry, member, depth)
            except TreeLimit:
                raise
            except Unscannable as error:
                self._note(member.path_shown, error)

    def _enter(self, entry: Entry, container: _Member, depth: int) -> None:
        path_shown = f"{container.path_shown}!{entry.name}"
        self.budget.begin_member()
        try:
            with self._spooled(entry, path_shown) as member:
                self._visit(member, depth + 1)
        except TreeLimit:
            raise
        except NeedsDictionary as error:
            if not (self._may_be_delta and depth == 0):
                self._note(path_shown, error)
        except Unscannable as error:
            self._note(path_shown, error)

    @contextmanager
    def _spooled(self, entry: Entry, path_shown: str) -> Iterator[_Member]:
        in_memory = self.budget.limits.memory_bytes
        folder = str(self.spool_folder) if self.spool_folder else None
        with tempfile.SpooledTemporaryFile(in_memory, dir=folder) as spool:
            size = 0
            for consumed, data in entry.pieces:
                self.budget.take(consumed, len(data))
                size += len(data)
                spool.write(data)
            file = cast("BinaryIO", spool)
            if size <= in_memory:
                yield _Member(path_shown, file, size, None)
                return
            spool.flush()
            # The file has no name; this path is the way to it for as long as it is open.
            yield _Member(path_shown, file, size, Path(f"/proc/self/fd/{spool.fileno()}"))

    def _note(self, path_shown: str, error: Unscannable) -> None:
        self.findings.unscannable = self.findings.unscannable or (path_shown, str(error))


class _Found(Exception):
    """Malware: there is no need to look further."""

    def __init__(self, names: tuple[str, ...], member_path: str) -> None:
        super().__init__(names, member_path)
        self.names = names
        self.member_path = member_path


@dataclass(frozen=True, slots=True)
class _Member:
    path_shown: str
    file: BinaryIO
    size: int
    path: Path | None

    def flat(self) -> bytes | Path:
        if self.path is not None:
            return self.path
        self.file.seek(0)
        return self.file.read()


def _readers(member: _Member) -> list[Reader]:
    """Return every way to read a member as a container, for a file may be two at once.

    What follows the end of a container is a member of it; so a zip behind something else needs to
    be looked for only where that is no container.
    """
    file = member.file
    file.seek(0)
    head = file.read(TAR_BLOCK)
    found = [reader for magics, reader in _MAGICS if head.startswith(magics)]
    if is_tar_header(head):
        found.append(tar_reader)
    if not found and has_zip_end(file, member.size):
        found.append(zip_reader)
    return found
