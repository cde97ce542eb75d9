"""Deltas made by the program zstd, whole and hostile."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from odu_agent.content import Content, WantedFile
from odu_agent.contract.codes import Erc
from odu_agent.contract.encoding import b64
from odu_agent.contract.manifest import ManifestFile
from odu_agent.delta import HANDLER_ID
from odu_agent.delta.sources import SourceCache, load_source_cache
from odu_agent.fetching import Wanted
from odu_agent.hashes import expected_digest, matches

from tests.builders.delta import make_delta
from tests.unit.agent.fixtures import config

OLD = random.Random(1).randbytes(400_000)
NEW = OLD[:100_000] + b"a change" + OLD[100_000:]


def _digest(content: bytes) -> str:
    return b64(hashlib.sha256(content).digest())


@dataclass
class Server:
    """Gives files, as the downloader does: only with their hash."""

    contents: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)

    def fetch_all(self, wanted: Sequence[Wanted], cancelled: threading.Event) -> None:
        for url, file, target in wanted:
            if matches(target, expected_digest(file)):
                continue
            self.fetched.append(url)
            target.write_bytes(self.contents[url])


@dataclass
class Device:
    """A device that may have the old file, and an update with a delta for it."""

    folder: Path
    delta: bytes
    old: bytes = OLD
    new: bytes = NEW
    server: Server = field(default_factory=lambda: Server({}))

    def __post_init__(self) -> None:
        self.sources = SourceCache(self.folder / "sources", 10_000_000)
        self.server.contents.update({"full": self.new, "delta": self.delta})
        self.content = Content(
            {"full": "full", "delta": "delta"}, self.server, threading.Event(), self.sources
        )

    def have(self, content: bytes) -> None:
        """Keep a file, as after an update."""
        path = self.folder / "kept"
        path.write_bytes(content)
        self.sources.keep(_file(content), path)

    def related(self) -> ManifestFile:
        properties = {
            "microsoft.sourceFileHash": _digest(self.old),
            "microsoft.sourceFileHashAlgorithm": "sha256",
        }
        return replace(_file(self.delta), properties=properties)

    def fetch(self, **changes: ManifestFile) -> Path:
        """Get the new file; returns where it is."""
        related = changes or {"delta": self.related()}
        file = replace(_file(self.new), download_handler=HANDLER_ID, related_files=related)
        path = self.folder / "files" / "full"
        self.content.fetch(WantedFile("full", file, path))
        assert path.read_bytes() == self.new
        assert [entry.name for entry in path.parent.iterdir()] == ["full"]
        return path


def _file(content: bytes) -> ManifestFile:
    return ManifestFile("rootfs.img", len(content), {"sha256": _digest(content)})


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, make_delta(tmp_path, OLD, NEW))


def test_delta_makes_the_file_from_its_source(device: Device) -> None:
    device.have(OLD)

    device.fetch()

    assert device.server.fetched == ["delta"]
    assert len(device.delta) < 1000
    assert device.content.notes == []


def test_delta_without_source_means_the_full_file_and_says_why(device: Device) -> None:
    device.fetch()

    assert device.server.fetched == ["full"]
    assert device.content.notes == [Erc.DELTA_CACHE_MISS]


def test_delta_that_fits_is_looked_for_among_several(device: Device) -> None:
    device.have(OLD)
    other = {"microsoft.sourceFileHash": _digest(b"other")}
    other["microsoft.sourceFileHashAlgorithm"] = "sha256"

    device.fetch(
        other=replace(_file(b"x"), properties=other),
        nameless=replace(_file(b"x"), properties={}),
        delta=device.related(),
    )

    assert device.server.fetched == ["delta"]
    assert device.content.notes == [Erc.DELTA_CACHE_MISS, Erc.DELTA_HASH_PROPERTIES_MISSING]


def test_delta_of_another_handler_is_left_alone(device: Device) -> None:
    device.have(OLD)
    related = {"delta": device.related()}
    file = replace(_file(NEW), download_handler="microsoft/delta:1", related_files=related)

    device.content.fetch(WantedFile("full", file, device.folder / "files" / "full"))

    assert device.server.fetched == ["full"]
    assert device.content.notes == []


def test_source_that_was_damaged_on_the_disk_is_not_used(device: Device) -> None:
    device.have(OLD)
    (entry,) = (device.folder / "sources").iterdir()
    entry.write_bytes(OLD[:-1] + b"?")

    device.fetch()

    assert device.server.fetched == ["full"]
    assert list((device.folder / "sources").iterdir()) == []


def _window_of_1_gib(delta: bytes) -> bytes:
    """A frame whose header asks for a window of 1 GiB, with no content size."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([20 << 3]) + delta[9:]


def _bomb(folder: Path) -> bytes:
    """Zeros without end, in a frame without content size: made from a pipe."""
    zeros = subprocess.run(
        ["sh", "-c", "head -c 300000000 /dev/zero | zstd -q -19 --long=27"],
        check=True,
        capture_output=True,
    )
    return zeros.stdout


HOSTILE: dict[str, tuple[Callable[[bytes, Path], bytes], Erc]] = {
    "no zstd": (lambda delta, folder: b"GIF89a" + delta, Erc.DELTA_NOT_APPLIED),
    "empty": (lambda delta, folder: b"", Erc.DELTA_NOT_APPLIED),
    "cut in the header": (lambda delta, folder: delta[:5], Erc.DELTA_NOT_APPLIED),
    "cut": (lambda delta, folder: delta[:-9], Erc.DELTA_NOT_APPLIED),
    "damaged": (
        lambda delta, folder: delta[:40] + bytes(8) + delta[48:],
        Erc.DELTA_NOT_APPLIED,
    ),
    "of another source": (
        lambda delta, folder: make_delta(folder, OLD + bytes(50_000), NEW),
        Erc.DELTA_NOT_APPLIED,
    ),
    "of another target": (
        lambda delta, folder: make_delta(folder, OLD, NEW[:-1] + b"?"),
        Erc.DELTA_RESULT_WRONG,
    ),
    "of another size": (
        lambda delta, folder: make_delta(folder, OLD, NEW + b"?"),
        Erc.DELTA_RESULT_WRONG,
    ),
    "wants much memory": (lambda delta, folder: _window_of_1_gib(delta), Erc.DELTA_TOO_DEMANDING),
    "grows without end": (lambda delta, folder: _bomb(folder), Erc.DELTA_NOT_APPLIED),
    "a second frame": (
        lambda delta, folder: delta + make_delta(folder, OLD, os.urandom(2_000_000)),
        Erc.DELTA_NOT_APPLIED,
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_delta_that_is_hostile_is_refused_and_the_full_file_fetched(
    tmp_path: Path, kind: str
) -> None:
    change, code = HOSTILE[kind]
    device = Device(tmp_path, change(make_delta(tmp_path, OLD, NEW), tmp_path))
    device.have(OLD)

    device.fetch()

    assert device.server.fetched == ["delta", "full"]
    assert device.content.notes == [code]


def test_delta_without_the_program_means_the_full_file(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.have(OLD)
    monkeypatch.setenv("PATH", str(device.folder))

    device.fetch()

    assert device.content.notes == [Erc.DELTA_NOT_APPLIED]


def test_sources_are_kept_within_their_limit_the_least_used_go_first(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path / "sources", 250_000)
    contents = [os.urandom(100_000) for _ in range(3)]
    for index, content in enumerate(contents):
        (tmp_path / "file").write_bytes(content)
        cache.keep(_file(content), tmp_path / "file")
        for age, path in enumerate((tmp_path / "sources").iterdir()):
            os.utime(path, (1000 + age, 1000 + age)) if index < 2 else None

    assert cache.find(_digest(contents[2])) is not None
    kept = [content for content in contents if cache.find(_digest(content))]
    assert len(kept) == 2


@pytest.mark.parametrize("size", [1000, 300_000])
def test_source_that_is_small_or_does_not_fit_is_not_kept(tmp_path: Path, size: int) -> None:
    cache = SourceCache(tmp_path / "sources", 250_000)
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)

    cache.keep(_file(content), tmp_path / "file")

    assert cache.find(_digest(content)) is None
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("megabytes", "maximum"), [(None, 512 * 1024 * 1024), (1, 1024 * 1024), (0, None), ("x", None)]
)
def test_cache_of_sources_is_as_large_as_the_settings_say(
    tmp_path: Path, megabytes: object, maximum: int | None
) -> None:
    settings = {} if megabytes is None else {HANDLER_ID: {"cacheMegabytes": megabytes}}

    cache = load_source_cache(config(tmp_path, handler_settings=settings, simulator=None))

    assert (cache.maximum_bytes if cache else None) == maximum
