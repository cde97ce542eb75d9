"""Versions of the system and the signed .swu files that bring them, made with standard tools."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.lab.base import LAB
from local.lab.commands import LabError, run
from local.lab.disk import MIB
from odu_cli.manifest_builder import UpdatePlan, build_manifest, file_entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROVIDER, NAME, MANUFACTURER, MODEL = "contoso", "toaster", "contoso", "toaster"
HARDWARE = {"board": "toaster", "revision": "1.0"}
_IMAGE = "rootfs.ext4.gz"
_LABEL_AT, _LABEL_BYTES = 1024 + 120, 16
"""The name of a file system of the ext family, in its super block."""
_MARK_BYTES = 4096
_DESCRIPTION = """\
software = {{
    version = "{version}";
    hardware-compatibility: [ "{revision}" ];
    images: (
        {{
            filename = "{image}"; type = "raw"; compressed = "zlib";
            device = "/dev/disk/by-partlabel/root"; sha256 = "{digest}";
        }}
    );
}}
"""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs the .swu files: a key and its certificate."""

    certificate: Path
    key: Path


def make_signer(folder: Path) -> Signer:
    """Make a key and a certificate, as SWUpdate takes them too."""
    signer = Signer(folder / "swupdate.pem", folder / "swupdate.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=reference device", "-addext", "extendedKeyUsage=emailProtection"]
    run([*command, "-keyout", signer.key, "-out", signer.certificate])
    return signer


@dataclass(frozen=True, slots=True)
class SystemVersion:
    """One version of the system: a file system with a mark after it, and its .swu file."""

    version: str
    image: Path
    archive: Path

    @property
    def label(self) -> bytes:
        """What the beginning of a slot has, once this image is being written into it."""
        return _label(self.version)

    @property
    def update_id(self) -> Mapping[str, str]:
        """The identity that it is imported under."""
        return {"provider": PROVIDER, "name": NAME, "version": self.version}

    def manifest(self) -> bytes:
        """Its import manifest."""
        plan = UpdatePlan(
            update_id=self.update_id,
            description=f"System {self.version} of the reference device",
            compatibility=[{"manufacturer": MANUFACTURER, "model": MODEL}],
            handler="microsoft/swupdate:1",
            handler_properties={"installedCriteria": self.version},
        )
        entries = [file_entry(self.archive.name, self.archive)]
        return json.dumps(build_manifest(plan, entries), indent=1).encode()


def label_of(begin: bytes) -> bytes:
    """The name of the file system of which this is the beginning."""
    return begin[_LABEL_AT : _LABEL_AT + _LABEL_BYTES].rstrip(b"\0")


def make_version(
    system: Path, version: str, folder: Path, signer: Signer, *, is_broken: bool = False
) -> SystemVersion:
    """Make a version of a system and the archive that brings it.

    Args:
        system: The file system that all versions have in common.
        version: Of this one.
        folder: Where to make it.
        signer: Signs the archive.
        is_broken: Whether what the device is there for fails in it.

    Raises:
        LabError: A program that takes part has failed.
    """
    place = folder / version
    place.mkdir()
    image = place / "rootfs.ext4"
    shutil.copyfile(system, image)
    _change(image, version, place, is_broken=is_broken)
    with image.open("ab") as file:
        file.write(f"end of {version}".encode().ljust(_MARK_BYTES, b"\0"))
    return SystemVersion(version, image, _pack(image, version, place, signer))


def _change(image: Path, version: str, place: Path, *, is_broken: bool) -> None:
    text = place / "adu-version"
    text.write_text(version + "\n")
    commands = ["cd /etc", "rm adu-version", f"write {text} adu-version"]
    commands += ["sif adu-version mode 0100644", f"ssv volume_name {_label(version).decode()}"]
    if is_broken:
        commands += ["cd /usr/sbin", "rm toaster", f"write {LAB / 'broken-toaster'} toaster"]
        commands += ["sif toaster mode 0100755"]
    script = place / "debugfs"
    script.write_text("\n".join(commands))
    run(["debugfs", "-w", "-f", script, image])
    found = run(["debugfs", "-R", "cat /etc/adu-version", image]).strip()
    if found != version:  # the exit code does not say
        raise LabError(f"the image of {version} could not be changed: it says {found!r}")


def _pack(image: Path, version: str, place: Path, signer: Signer) -> Path:
    with image.open("rb") as source, gzip.open(place / _IMAGE, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(source, packed, MIB)
    with (place / _IMAGE).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    revision = HARDWARE["revision"]
    text = _DESCRIPTION.format(version=version, revision=revision, image=_IMAGE, digest=digest)
    (place / "sw-description").write_text(text)
    sign = ["openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig"]
    sign += ["-signer", str(signer.certificate), "-inkey", str(signer.key)]
    run([*sign, "-outform", "DER", "-nosmimecap", "-binary"], cwd=place)
    archive = place / f"{NAME}-{version}.swu"
    names = ["sw-description", "sw-description.sig", _IMAGE]
    run(["cpio", "-o", "-H", "crc", "-O", archive], cwd=place, text="\n".join(names) + "\n")
    (place / _IMAGE).unlink()
    return archive


def _label(version: str) -> bytes:
    return f"{NAME}-{version}".encode()
