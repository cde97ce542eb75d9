"""A device with two slots whose power may go at any moment, and what an update makes of it.

Slots keep writes in memory until they are synced; a power cut loses or tears any of those. The boot
loader follows docs/images.md. Everything that lasts counts its changes, so that a test can cut the
power before or after each of them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odu_agent.contract.manifest import ManifestStep, ManifestUpdateId
from odu_agent.handlers import LocalFile, StepContext, StepResult
from odu_agent.handlers.image import ImageHandler
from odu_agent.images.boot import DEFAULT, TRIAL
from odu_agent.images.device import ImageDevice
from odu_agent.images.signature import Trust
from odu_agent.images.slots import Slot
from odu_agent.images.switch import SlotSwitch
from odu_agent.images.trial import Health

SLOT_BYTES = 4096
BLOCK_BYTES = 512
MOST_STARTS = 40


class PowerCut(Exception):
    """The device lost power."""


class Restarted(Exception):
    """The device was told to restart."""


@dataclass
class Image:
    """What a publisher made: an image that may be sick in one of two ways."""

    version: str
    starts: bool = True
    is_healthy: bool = True

    @property
    def content(self) -> bytes:
        return random.Random(self.version).randbytes(SLOT_BYTES - 300)


@dataclass
class Power:
    """Goes after given numbers of changes to what lasts; each cut counts from the one before."""

    cuts: list[int]
    torn: random.Random
    changes: int = 0

    def tick(self) -> None:
        if self.cuts:
            if self.cuts[0] <= 0:
                self.cuts.pop(0)
                raise PowerCut
            self.cuts[0] -= 1
        self.changes += 1


@dataclass
class Medium:
    """A slot's storage; `pending` is what the system has not written out yet."""

    power: Power
    data: bytearray = field(default_factory=lambda: bytearray(SLOT_BYTES))
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def size(self) -> int:
        return len(self.data)

    def write(self, offset: int, data: bytes) -> None:
        self.power.tick()
        self.pending.append((offset, data))

    def sync(self) -> None:
        self.power.tick()
        for offset, data in self.pending:
            self.data[offset : offset + len(data)] = data
        self.pending = []
        self.power.tick()

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def close(self) -> None:
        pass

    def lose_power(self) -> None:
        """Any of what was pending may have reached the medium, whole or in part."""
        torn = self.power.torn
        for offset, data in self.pending:
            kept = data[: torn.randint(0, len(data))]
            self.data[offset : offset + len(kept)] = kept
        self.pending = []


@dataclass(frozen=True)
class ModelSlot(Slot):
    """A slot on such storage."""

    medium: Medium | None = None

    def open(self) -> Medium:
        assert self.medium is not None
        return self.medium


@dataclass
class Lasting:
    """A small file, or a boot loader's variables: each change as a whole or not at all."""

    power: Power
    values: dict[str, Any] = field(default_factory=dict)

    def read(self) -> dict[str, Any]:
        return dict(self.values)

    def update(self, members: Mapping[str, Any]) -> None:
        self.power.tick()
        self.values.update(members)
        self.power.tick()

    def get(self, name: str) -> str:
        return str(self.values.get(name, ""))

    def set(self, name: str, value: str) -> None:
        self.update({name: value})


class ModelHealth(Health):
    """Asks the image itself."""

    def __init__(self, device: DeviceModel) -> None:
        super().__init__()
        object.__setattr__(self, "device", device)

    def fault(self, is_hub_reached: Any) -> str | None:
        device: DeviceModel = self.device  # type: ignore[attr-defined]
        assert is_hub_reached()
        image = device.image_in(device.running)
        assert image is not None
        return None if image.is_healthy else "sick"


class Source:
    """The content of an image, as a handler reads it."""

    def __init__(self, image: Image) -> None:
        self._image = image

    def check(self, step: StepContext, device: ImageDevice) -> None:
        pass

    def content(self, step: StepContext, device: ImageDevice) -> Iterator[bytes]:
        content = self._image.content
        for at in range(0, len(content), BLOCK_BYTES):
            yield content[at : at + BLOCK_BYTES]


@dataclass
class Said:
    """What the service was told in the end."""

    is_success: bool
    result: StepResult | None = None


class DeviceModel:
    """The device; `update` installs an image over as many starts as it takes."""

    def __init__(self, folder: Path, cuts: list[int], seed: int, *, has_version_file: bool) -> None:
        self.power = Power(cuts, random.Random(seed))
        self.media = {name: Medium(self.power) for name in ("A", "B")}
        self.boot = Lasting(self.power)
        self.memory = Lasting(self.power)
        self.images = [Image("1")]
        self.media["A"].data[: len(self.images[0].content)] = self.images[0].content
        self.running = "A"
        self.starts = 0
        self.tried: set[str] = set()
        self._folder = folder
        self._version_file = folder / "version"
        self._has_version_file = has_version_file
        self._note_version()

    def image_in(self, slot: str) -> Image | None:
        """The whole image that a slot holds, if it does."""
        data = self.media[slot].data
        return next((i for i in self.images if data.startswith(i.content)), None)

    @property
    def running_version(self) -> str:
        image = self.image_in(self.running)
        assert image is not None
        return image.version

    def update(self, image: Image, *, is_cancelled_after: str = "") -> Said:
        """Carry out a workflow as a deployment does, starting anew whenever it has to."""
        self.images.append(image)
        while self.starts < MOST_STARTS:
            try:
                return self._workflow(image, is_cancelled_after)
            except PowerCut:
                for medium in self.media.values():
                    medium.lose_power()
                self._start()
            except Restarted:
                for medium in self.media.values():
                    assert not medium.pending
                self._start()
        raise AssertionError("it starts for ever")

    def abandon(self, image: Image) -> None:
        """Prepare an image to be started, and hear no more of it: another update is to come."""
        self.images.append(image)
        handler, step = self._handler(image), self._step(image)
        assert handler.is_installed(step).result_code == 901
        assert handler.install(step).is_success
        assert handler.apply(step).is_success

    def _workflow(self, image: Image, is_cancelled_after: str) -> Said:
        handler, step = self._handler(image), self._step(image)
        code = handler.is_installed(step).result_code
        if code == 705:
            raise Restarted
        if code == 900:
            return Said(is_success=True)
        for action in ("download", "backup", "install", "apply"):
            result = getattr(handler, action)(step)
            if action == is_cancelled_after:
                handler.cancel(step)
                return Said(is_success=False, result=StepResult(-1))
            if not result.is_success:
                handler.restore(step)
                return Said(is_success=False, result=result)
            if result.result_code == 705:
                raise Restarted
        raise AssertionError("an image is not installed without a restart")

    def _start(self) -> None:
        """The boot loader of docs/images.md, and a watchdog for images that do not start."""
        for _ in range(3):
            self.starts += 1
            slot = self.boot.values.get(TRIAL) or self.boot.values.get(DEFAULT) or "A"
            self.boot.values[TRIAL] = ""
            image = self.image_in(slot)
            assert image is not None, f"{slot} was started, but holds no whole image"
            self.tried.add(image.version)
            if image.starts:
                self.running = slot
                self._note_version()
                return
        raise AssertionError(f"no slot starts: {self.boot.values}")

    def _note_version(self) -> None:
        if self._has_version_file:
            self._version_file.write_text(self.running_version)

    def _handler(self, image: Image) -> ImageHandler:
        slots = [ModelSlot(name, Path(), medium=medium) for name, medium in self.media.items()]
        starts = self.starts
        switch = SlotSwitch(
            slots,
            boot=self.boot,
            running=lambda: self.running,
            boot_id=lambda: str(starts),
            memory=self.memory,
            lock=self._folder / "lock",
        )
        device = ImageDevice(
            switch=switch,
            health=ModelHealth(self),
            trust=Trust("none"),
            hardware=None,
            version_file=self._version_file,
        )
        return ImageHandler(device, Source(image))

    def _step(self, image: Image) -> StepContext:
        return StepContext(
            update_id=ManifestUpdateId("Contoso", "Toaster", image.version),
            index=0,
            step=ManifestStep("h", ("f",), {"installedCriteria": image.version}),
            files=(LocalFile("f", "image", self._folder / "image"),),
            work_folder=self._folder / f"work-{image.version}",
            cancelled=threading.Event(),
            fetch_files=lambda *ids: None,
        )
