"""Slots and the switch between them, one rule at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.images import ImageError
from odu_agent.images.boot import DEFAULT, TRIAL, FileBootControl
from odu_agent.images.slots import FileDevice, Slot, SlotCancelledError, write_image
from odu_agent.images.switch import Failure, SlotSwitch, Standing
from odu_agent.state import JsonFile

SIZE = 3 * 1024 * 1024


class Device:
    """Two slots in files; the test says which one runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running, self.boot_id = folder, "A", "1"
        for name in ("A", "B"):
            (folder / name).write_bytes(bytes(SIZE))
        self.boot = FileBootControl(folder / "boot.json")
        self.switch = SlotSwitch(
            [Slot(name, folder / name) for name in ("A", "B")],
            boot=self.boot,
            running=lambda: self.running,
            boot_id=lambda: self.boot_id,
            memory=JsonFile(folder / "slots.json"),
            lock=folder / "lock",
        )

    def write(self, key: str, content: bytes = b"image") -> None:
        self.switch.write(key, iter([content]), threading.Event())

    def restart(self, slot: str) -> None:
        self.running, self.boot_id = slot, self.boot_id + "1"
        self.boot.set(TRIAL, "")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_image_goes_into_the_slot_that_does_not_run(device: Device) -> None:
    device.write("k", b"image")

    assert (device.folder / "B").read_bytes()[:5] == b"image"
    assert not any((device.folder / "A").read_bytes())


def test_image_on_trial_becomes_the_default_by_a_commit(device: Device) -> None:
    device.write("k")
    device.switch.arm("k", "c")
    assert device.switch.look() is Standing.ARMED
    assert (device.boot.get(DEFAULT), device.boot.get(TRIAL)) == ("A", "B")

    device.restart("B")
    assert device.switch.look() is Standing.TRIAL
    device.switch.commit()

    assert device.switch.look() is Standing.IDLE
    assert device.boot.get(DEFAULT) == "B"
    assert device.switch.criteria() == "c"
    assert device.switch.target().name == "A"


def test_image_that_is_condemned_is_known_as_such_after_the_restart(device: Device) -> None:
    device.write("k")
    device.switch.arm("k", "c")
    device.restart("B")

    device.switch.condemn(Failure(Erc.IMAGE_UNHEALTHY, "sick"))

    assert device.switch.look() is Standing.CONDEMNED
    device.restart("A")
    assert device.switch.look() is Standing.FELL_BACK
    assert device.switch.failure("k") == Failure(Erc.IMAGE_UNHEALTHY, "sick")
    assert device.switch.failure("other") is None
    device.switch.forget_failure("k")
    assert device.switch.look() is Standing.IDLE


def test_boot_loader_that_tries_nothing_is_told_apart_from_an_image_that_fell_back(
    device: Device,
) -> None:
    device.write("k")
    device.switch.arm("k", "c")
    device.boot_id = "2"

    assert device.switch.look() is Standing.FELL_BACK
    failure = device.switch.failure("k")
    assert failure is not None
    assert failure.code == Erc.IMAGE_BOOT_CONTROL
    assert device.boot.get(TRIAL) == ""


def test_image_on_trial_must_be_judged_before_another_is_written(device: Device) -> None:
    device.write("k")
    device.switch.arm("k", "c")
    device.restart("B")

    with pytest.raises(ImageError, match="not been found healthy"):
        device.write("k2")
    assert not any((device.folder / "A").read_bytes())


def test_image_that_was_not_written_whole_cannot_be_armed(device: Device) -> None:
    device.write("k")

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ImageError(Erc.IMAGE_HASH, "wrong")

    with pytest.raises(ImageError):
        device.switch.write("k", broken(), threading.Event())

    with pytest.raises(ImageError, match="no whole image"):
        device.switch.arm("k", "c")
    assert device.boot.get(TRIAL) == ""


def test_slot_that_runs_must_be_one_of_the_slots(device: Device) -> None:
    device.running = "C"

    with pytest.raises(ImageError) as refused:
        device.switch.look()
    assert refused.value.erc == Erc.IMAGE_NOT_CONFIGURED


def test_default_of_the_boot_loader_must_be_one_of_the_slots(device: Device) -> None:
    device.boot.set(DEFAULT, "Z")

    with pytest.raises(ImageError) as refused:
        device.switch.look()
    assert refused.value.erc == Erc.IMAGE_BOOT_CONTROL


def test_hub_counts_as_reached_only_since_this_start(device: Device) -> None:
    device.switch.note_hub()
    assert device.switch.is_hub_reached()

    device.restart("A")

    assert not device.switch.is_hub_reached()


class Lying(FileDevice):
    """A worn-out medium."""

    def read(self, offset: int, size: int) -> bytes:
        data = bytearray(super().read(offset, size))
        data[-1] ^= 1
        return bytes(data)


def test_slot_that_does_not_hold_what_was_written_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(bytes(SIZE))

    with pytest.raises(ImageError) as refused:
        write_image(Lying(tmp_path / "slot"), iter([b"image"]), threading.Event())
    assert refused.value.erc == Erc.IMAGE_READ_BACK


@pytest.mark.parametrize("sizes", [[SIZE + 1], [SIZE, 1], []])
def test_image_must_fit_into_its_slot(tmp_path: Path, sizes: list[int]) -> None:
    (tmp_path / "slot").write_bytes(bytes(SIZE))

    with pytest.raises(ImageError) as refused:
        write_image(FileDevice(tmp_path / "slot"), map(os.urandom, sizes), threading.Event())
    assert refused.value.erc == Erc.IMAGE_TOO_LARGE


def test_image_of_the_slots_very_size_fits(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(bytes(SIZE))
    content = os.urandom(SIZE)

    write_image(FileDevice(tmp_path / "slot"), iter([content]), threading.Event())

    assert (tmp_path / "slot").read_bytes() == content


def test_image_stops_being_written_when_it_is_cancelled(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(bytes(SIZE))
    cancelled = threading.Event()

    def blocks() -> Iterator[bytes]:
        yield b"one"
        cancelled.set()
        yield b"two"

    with pytest.raises(SlotCancelledError):
        write_image(FileDevice(tmp_path / "slot"), blocks(), cancelled)
    assert (tmp_path / "slot").read_bytes()[:6] == b"one\0\0\0"
