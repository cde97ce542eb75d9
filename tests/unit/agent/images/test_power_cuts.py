"""Power cuts at every change of what lasts: the device always starts, and says what is so."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odu_agent.contract.codes import Erc

from .device_model import DeviceModel, Image, Said

EXAMPLES = int(os.environ.get("ODU_POWER_CUT_EXAMPLES", "200"))
KINDS = {
    "good": Image("2"),
    "does not start": Image("2", starts=False),
    "sick": Image("2", is_healthy=False),
}


def _check(device: DeviceModel, image: Image, said: Said) -> None:
    """What was said is so."""
    assert said.is_success == (device.running_version == image.version)
    assert said.is_success == (image.starts and image.is_healthy)
    if said.is_success:
        assert not device.memory.values.get("trial")
    else:
        assert image.version in device.tried
    if not image.starts:
        assert said.result is not None
        assert said.result.extended_result_codes == (Erc.IMAGE_FELL_BACK,)
    elif not image.is_healthy:
        assert said.result is not None
        # A cut before the judgement was noted leaves only that the image did not stay.
        assert said.result.extended_result_codes[0] in (Erc.IMAGE_UNHEALTHY, Erc.IMAGE_FELL_BACK)


def _goes_through(device: DeviceModel, image: Image, said: Said) -> bool:
    """A good image may be lost to a cut while it is on trial; then that is what is said."""
    is_lost = not said.is_success and image.starts and image.is_healthy
    if is_lost:
        assert said.result is not None
        assert said.result.extended_result_codes == (Erc.IMAGE_FELL_BACK,)
        assert device.running_version != image.version
        assert image.version in device.tried
    return not is_lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("has_version_file", [True, False])
def test_image_is_installed_or_left_without_a_power_cut(
    tmp_path: Path, kind: str, has_version_file: bool
) -> None:
    device = DeviceModel(tmp_path, [], 0, has_version_file=has_version_file)
    image = KINDS[kind]

    said = device.update(image)

    _check(device, image, said)
    again = Image("3")
    assert device.update(again).is_success
    assert device.running_version == "3"


@pytest.mark.parametrize("kind", KINDS)
def test_image_survives_a_power_cut_at_every_change(kind: str) -> None:
    image, cuts, at = KINDS[kind], 0, 0
    while True:
        with tempfile.TemporaryDirectory() as folder:
            device = DeviceModel(Path(folder), [at], at, has_version_file=at % 2 == 0)
            said = device.update(image)
            if _goes_through(device, image, said):
                _check(device, image, said)
            if device.power.cuts:
                break
            cuts, at = cuts + 1, at + 1
            assert device.update(Image("3")).is_success
    assert cuts > 20


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    seed=st.integers(0, 2**32),
    has_version_file=st.booleans(),
    is_another_armed=st.booleans(),
)
def test_image_survives_any_power_cuts(
    kind: str, cuts: list[int], seed: int, has_version_file: bool, is_another_armed: bool
) -> None:
    image = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        device = DeviceModel(Path(folder), [], seed, has_version_file=has_version_file)
        if is_another_armed:
            device.abandon(Image("1.5"))
        device.power.cuts = cuts

        said = device.update(image)

        if _goes_through(device, image, said):
            _check(device, image, said)
        device.power.cuts.clear()
        assert device.update(Image("3")).is_success


@pytest.mark.parametrize("action", ["download", "install", "apply"])
def test_image_that_was_cancelled_does_not_start(tmp_path: Path, action: str) -> None:
    device = DeviceModel(tmp_path, [], 0, has_version_file=True)

    device.update(Image("2"), is_cancelled_after=action)
    device._start()

    assert device.running_version == "1"
    assert device.update(Image("3")).is_success
