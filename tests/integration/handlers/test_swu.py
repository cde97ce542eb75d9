"""SWUpdate archives made with standard tools, whole and damaged."""

from __future__ import annotations

import lzma
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.images import ImageError
from odu_agent.images.description import Hardware
from odu_agent.images.signature import Trust
from odu_agent.images.swu import SwuFile

from .swu_files import Recipe, Signer, gzipped, pack

IMAGE = os.urandom(300_000) + bytes(200_000)
BOARD = Hardware("toaster", "1.0")


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


def _trust(signer: Signer, method: str) -> Trust:
    file = signer.certificate if method == "cms" else signer.public_key
    return Trust(method, None if method == "none" else file)


def _read(folder: Path, data: bytes, trust: Trust, hardware: Hardware | None = BOARD) -> bytes:
    path = folder / "update.swu"
    path.write_bytes(data)
    file = SwuFile(path, trust, hardware)
    file.check()
    return b"".join(file.content())


@pytest.mark.parametrize("form", ["crc", "newc"])
@pytest.mark.parametrize("method", ["cms", "rsa", "rsa-pss", "none"])
def test_swu_file_that_is_signed_gives_its_image(
    tmp_path: Path, signer: Signer, method: str, form: str
) -> None:
    data = Recipe(IMAGE, method=method, form=form).make(tmp_path / "swu", signer)

    assert _read(tmp_path, data, _trust(signer, method)) == IMAGE


@pytest.mark.parametrize(
    ("compress", "more"),
    [
        (gzipped, 'compressed = "zlib";'),
        (gzipped, "compressed = true;"),
        (lzma.compress, 'compressed = "xz";'),
    ],
)
def test_swu_file_gives_its_image_unpacked(
    tmp_path: Path, signer: Signer, compress: Callable[[bytes], bytes], more: str
) -> None:
    data = Recipe(IMAGE, compress=compress, more=more).make(tmp_path / "swu", signer)

    assert _read(tmp_path, data, _trust(signer, "cms")) == IMAGE


@pytest.mark.parametrize("revision", ["1.0", "2.7"])
def test_swu_file_is_for_the_revisions_that_it_names(
    tmp_path: Path, signer: Signer, revision: str
) -> None:
    data = Recipe(IMAGE).make(tmp_path / "swu", signer)

    assert _read(tmp_path, data, _trust(signer, "cms"), Hardware("toaster", revision)) == IMAGE


def test_swu_file_is_read_in_flat_memory(tmp_path: Path, signer: Signer) -> None:
    recipe = Recipe(bytes(64 * 1024 * 1024), compress=gzipped, more='compressed = "zlib";')
    path = tmp_path / "update.swu"
    path.write_bytes(recipe.make(tmp_path / "swu", signer))
    tracemalloc.start()
    try:
        size = sum(map(len, SwuFile(path, _trust(signer, "cms")).content()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert size == 64 * 1024 * 1024
    assert peak < 12 * 1024 * 1024


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _longer(data: bytes) -> bytes:
    """The size in the header of the image says more than there is."""
    at = data.rindex(b"rootfs.img\0") - 110
    return data[: at + 54] + b"%08X" % (len(IMAGE) + 512) + data[at + 62 :]


def _other_image(data: bytes) -> bytes:
    """The image is another one, but with the same checksum: two bytes have changed places."""
    at = data.index(IMAGE[:64])
    while data[at] == data[at + 1]:
        at += 1
    return data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], Erc]] = {
    "cut in the header": (lambda data: data[:60], Erc.IMAGE_ARCHIVE),
    "cut in the image": (lambda data: data[:-100_000], Erc.IMAGE_ARCHIVE),
    "cut before the trailer": (lambda data: data[: data.rindex(b"07070")], Erc.IMAGE_ARCHIVE),
    "empty": (lambda data: b"", Erc.IMAGE_ARCHIVE),
    "wrong checksum": (
        lambda data: _flip(data, data.rindex(b"rootfs.img\0") + 5000),
        Erc.IMAGE_ARCHIVE,
    ),
    "wrong hash": (_other_image, Erc.IMAGE_HASH),
    "description changed": (
        lambda data: data.replace(b"/dev/mmcblk0p3", b"/dev/mmcblk0p4"),
        Erc.IMAGE_ARCHIVE,
    ),
    "size too large": (_longer, Erc.IMAGE_ARCHIVE),
    "something after the end": (lambda data: data + b"more", Erc.IMAGE_ARCHIVE),
    "no cpio": (gzipped, Erc.IMAGE_ARCHIVE),
    "file out of its folder": (
        lambda data: data.replace(b"rootfs.img\0", b"../oot.img\0"),
        Erc.IMAGE_ARCHIVE,
    ),
    "absolute name": (
        lambda data: (
            data[: data.rindex(b"rootfs.img\0")]
            + data[data.rindex(b"rootfs.img\0") :].replace(b"rootfs.img\0", b"/ootfs.img\0")
        ),
        Erc.IMAGE_ARCHIVE,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_swu_file_that_is_damaged_is_refused(tmp_path: Path, signer: Signer, damage: str) -> None:
    change, code = DAMAGES[damage]
    data = change(Recipe(IMAGE).make(tmp_path / "swu", signer))

    with pytest.raises(ImageError) as refused:
        _read(tmp_path, data, _trust(signer, "cms"))
    assert refused.value.erc == code, refused.value.message


REFUSED: dict[str, tuple[Recipe, Erc, str]] = {
    "unsigned": (
        Recipe(IMAGE, method="none"),
        Erc.IMAGE_SIGNATURE,
        "has no sw-description.sig where it must stand",
    ),
    "description after the image": (
        Recipe(IMAGE, order=("rootfs.img", "sw-description", "sw-description.sig")),
        Erc.IMAGE_ARCHIVE,
        "has no sw-description where it must stand",
    ),
    "image twice": (
        Recipe(IMAGE, order=("sw-description", "sw-description.sig", "rootfs.img", "rootfs.img")),
        Erc.IMAGE_ARCHIVE,
        "stands twice",
    ),
    "image missing": (
        Recipe(IMAGE, order=("sw-description", "sw-description.sig")),
        Erc.IMAGE_ARCHIVE,
        "is missing",
    ),
    "no hash": (
        Recipe(IMAGE, change_description=lambda text: re.sub('sha256 = "[^"]*";', "", text)),
        Erc.IMAGE_DESCRIPTION,
        "has no sha256",
    ),
    "other hash": (
        Recipe(IMAGE, change_description=lambda text: re.sub("[0-9a-f]{64}", "0" * 64, text)),
        Erc.IMAGE_HASH,
        "does not have the hash",
    ),
    "other hardware": (
        Recipe(IMAGE, change_description=lambda text: text.replace('"1.0",', '"1.1",')),
        Erc.IMAGE_HARDWARE,
        "the image is for revision 1.1",
    ),
    "no hardware": (
        Recipe(
            IMAGE,
            change_description=lambda text: text.replace("hardware-compatibility", "hardware"),
        ),
        Erc.IMAGE_HARDWARE,
        "does not say what hardware",
    ),
    "scripts": (
        Recipe(
            IMAGE,
            change_description=lambda text: text.replace(
                "images:", 'scripts: ( { filename = "x.sh"; } ); images:'
            ),
        ),
        Erc.IMAGE_DESCRIPTION,
        "scripts can only be installed by SWUpdate itself",
    ),
    "encrypted": (
        Recipe(IMAGE, more="encrypted = true;"),
        Erc.IMAGE_DESCRIPTION,
        "is encrypted",
    ),
    "not packed as it says": (
        Recipe(IMAGE, more='compressed = "zlib";'),
        Erc.IMAGE_ARCHIVE,
        "cannot be unpacked",
    ),
    "unreadable": (
        Recipe(IMAGE, change_description=lambda text: text + "}"),
        Erc.IMAGE_DESCRIPTION,
        "stands where a name should",
    ),
    "bottomless": (
        Recipe(IMAGE, change_description=lambda text: "software = " + "{ a = " * 5000),
        Erc.IMAGE_DESCRIPTION,
        "too deep",
    ),
    "too long": (
        Recipe(IMAGE, change_description=lambda text: text + " " * 300_000),
        Erc.IMAGE_ARCHIVE,
        "is larger than",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_swu_file_that_is_not_for_this_device_is_refused(
    tmp_path: Path, signer: Signer, case: str
) -> None:
    recipe, code, words = REFUSED[case]
    data = recipe.make(tmp_path / "swu", signer)

    with pytest.raises(ImageError, match=re.escape(words)) as refused:
        _read(tmp_path, data, _trust(signer, "cms"))
    assert refused.value.erc == code


@pytest.mark.parametrize("method", ["cms", "rsa", "rsa-pss"])
def test_swu_file_that_others_signed_is_refused(
    tmp_path: Path, signer: Signer, method: str
) -> None:
    data = Recipe(IMAGE, method=method).make(tmp_path / "swu", Signer(tmp_path, "mallory"))

    with pytest.raises(ImageError) as refused:
        _read(tmp_path, data, _trust(signer, method))
    assert refused.value.erc == Erc.IMAGE_SIGNATURE


def test_swu_file_whose_description_was_changed_after_signing_is_refused(
    tmp_path: Path, signer: Signer
) -> None:
    folder = tmp_path / "swu"
    Recipe(IMAGE).make(folder, signer)
    description = folder / "sw-description"
    description.write_text(description.read_text().replace("mmcblk0p3", "mmcblk0p4"))
    data = pack(folder, ["sw-description", "sw-description.sig", "rootfs.img"])

    with pytest.raises(ImageError) as refused:
        _read(tmp_path, data, _trust(signer, "cms"))
    assert refused.value.erc == Erc.IMAGE_SIGNATURE


def test_swu_file_with_a_device_file_in_it_is_refused(tmp_path: Path, signer: Signer) -> None:
    folder = tmp_path / "swu"
    Recipe(IMAGE).make(folder, signer)
    (folder / "link").symlink_to("/etc/passwd")
    data = pack(folder, ["sw-description", "sw-description.sig", "rootfs.img", "link"])

    with pytest.raises(ImageError, match="no regular file") as refused:
        _read(tmp_path, data, _trust(signer, "cms"))
    assert refused.value.erc == Erc.IMAGE_ARCHIVE


def test_swu_file_with_json_and_parts_for_slots_gives_the_one_for_the_slot(
    tmp_path: Path, signer: Signer
) -> None:
    def in_json(text: str) -> str:
        found = re.search("[0-9a-f]{64}", text)
        assert found is not None
        image = f'{{"filename": "rootfs.img", "sha256": "{found.group()}"}}'
        return (
            '{"software": {"version": "1", "toaster": {"hardware-compatibility": ["1.0"],'
            f'"stable": {{"copy2": {{"images": [{image}]}}}}}}}}}}'
        )

    data = Recipe(IMAGE, change_description=in_json).make(tmp_path / "swu", signer)
    path = tmp_path / "update.swu"
    path.write_bytes(data)

    def read(selection: str) -> bytes:
        return b"".join(SwuFile(path, _trust(signer, "cms"), BOARD, selection).content())

    assert read("stable,copy2") == IMAGE
    with pytest.raises(ImageError, match="nothing for stable,copy1"):
        read("stable,copy1")
