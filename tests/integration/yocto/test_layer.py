"""The layer meta-odu: no finding of the linter, and true to the agent and to docs/images.md."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from odu_agent.images.description import Hardware, parse_description

from tests.processes import ROOT

LAYER = ROOT / "meta-odu"
PASSED_OVER = {
    "oelint.vars.homepageping": "asks the network",
    "oelint.var.licenseremotefile": "the licence is the one that OpenEmbedded has",
    "oelint.vars.fileextrapaths": "the agent's sources lie beside the layer, not in it",
    "oelint.vars.outofcontext": "as above; and what makes an image is a class here",
    "oelint.vars.noncoreoverride": "whoever adds this layer wants its SWUpdate and U-Boot",
    "oelint.func.specific": "rpi is an override of meta-raspberrypi",
    "oelint.task.docstrings": "it is a function of an image, not a task",
    "oelint.var.bbclassextend": "nothing of it runs on the build machine",
    "oelint.var.suggestedvar.CVE_PRODUCT": "no database has entries of it",
}


def _recipes() -> list[Path]:
    return sorted(path for kind in ("*.bb", "*.bbappend") for path in LAYER.rglob(kind))


def _block(language: str) -> list[str]:
    """The lines of docs/images.md for one boot loader."""
    text = (ROOT / "docs" / "images.md").read_text()
    found = re.search(rf"{language}[^\n]*:\n\n```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1).splitlines()


def test_linter_finds_nothing(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("oelint-adv"), "--quiet", "--release", "wrynose"]
    command += [f"--constantmods=+{LAYER / 'oelint.constants.json'}"]
    command += [f"--suppress={rule}" for rule in PASSED_OVER]

    done = subprocess.run(
        [*command, *_recipes()],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    recipe = tmp_path / "wrong_1.0.bb"
    recipe.write_text('SUMMARY = "x"\nDO_INSTALL = "1"\n')
    command = [Path(sys.executable).with_name("oelint-adv"), "--quiet", recipe]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "oelint.var.mandatoryvar.LICENSE" in done.stderr


def test_boot_script_chooses_as_documented() -> None:
    script = (LAYER / "recipes-bsp/odu-boot-script/files/boot.cmd.in").read_text().splitlines()

    assert script[: len(_block("U-Boot"))] == _block("U-Boot")


def test_slots_are_the_partitions_that_the_boot_script_loads_from() -> None:
    script = (LAYER / "recipes-bsp/odu-boot-script/files/boot.cmd.in").read_text()
    layout = (LAYER / "wic/odu-slots.wks.in").read_text()
    names = re.findall(r"^part .*--part-name (\S+)", layout, re.MULTILINE)

    assert names == ["boot", "root-A", "root-B", "data"]
    assert "= B; then setenv odu_part 3; else setenv odu_part 2; fi" in script


def test_environment_lies_between_the_partition_table_and_the_first_partition() -> None:
    layout = (LAYER / "wic/odu-slots.wks.in").read_text()
    first = re.search(r"--part-name boot .*--align (\d+)", layout)
    written = (LAYER / "recipes-bsp/u-boot/files/odu-environment.cfg").read_text()
    offsets = [int(text, 16) for text in re.findall(r"CONFIG_ENV_OFFSET\w*=(\S+)", written)]
    told = (LAYER / "recipes-bsp/libubootenv/files/fw_env.config").read_text()

    assert first is not None
    assert len(offsets) == 2
    for offset in offsets:
        assert 34 * 512 < offset < int(first.group(1)) * 1024 - 0x4000
        assert re.search(rf"^/dev/mmcblk0\s+{offset:#x}\s+0x4000$", told, re.MULTILINE)


def test_recipe_builds_from_what_is_there() -> None:
    (recipe,) = LAYER.glob("recipes-support/odu-agent/odu-agent_*.bb")
    text = recipe.read_text()
    version = re.search(r'__version__ = "(.*)"', (ROOT / "agent/odu_agent/__init__.py").read_text())
    licence = hashlib.md5((ROOT / "LICENSE").read_bytes()).hexdigest()
    units = re.search(r'SYSTEMD_SERVICE:\$\{PN\} = "(.*?)"', text, re.DOTALL)

    assert version is not None
    assert recipe.stem.partition("_")[2] == version.group(1)
    assert f"file://LICENSE;md5={licence}" in text
    assert units is not None
    for unit in units.group(1).replace("\\", "").split():
        assert (ROOT / f"agent/debian/odu-agent.{unit}").exists()
    for name in re.findall(r"file://(\w+) ", text):
        places = (ROOT, ROOT / "agent", ROOT / "shared")
        assert any((place / name).exists() for place in places), name
    for name in ("paho-mqtt", "pysocks", "urllib3", "cryptography"):
        assert f"python3-{name}" in text


def test_description_of_the_update_is_one_that_the_agent_takes() -> None:
    text = (LAYER / "recipes-core/images/odu-update/sw-description").read_text()
    values = {"ODU_VERSION": "1.1", "ODU_HARDWARE": "1.0", "MACHINE": "raspberrypi5"}
    for name, value in values.items():
        text = text.replace(f"@@{name}@@", value)
    name = "odu-image-raspberrypi5.rootfs.ext4.gz"
    text = text.replace(f"$swupdate_get_sha256({name})", "ab" * 32)

    found = parse_description(text.encode(), Hardware("toaster", "1.0"))

    assert found.version == "1.1"
    assert (found.image.file_name, found.image.compression) == (name, "zlib")
