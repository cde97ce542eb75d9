"""Real .swu files: packed by cpio, signed by openssl, as SWUpdate's documentation has it."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DESCRIPTION = """
software = {{
    version = "1.0";
    /* for two revisions of one board */
    hardware-compatibility: [ "1.0", "#RE:^2\\\\.[0-9]$" ];
    images: (
        {{
            filename = "{name}"; device = "/dev/mmcblk0p3"; type = "raw";
            sha256 = "{digest}"; {more}
        }}
    );
    bootenv: ( {{ name = "ustate"; value = "1"; }} );
}}
"""


@dataclass
class Signer:
    """A key with its certificate, made by openssl."""

    folder: Path
    name: str = "signer"
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
        run += [
            "-subj",
            f"/CN={self.name}",
            "-keyout",
            str(self.key),
            "-out",
            str(self.certificate),
        ]
        for extension in self.extensions:
            run += ["-addext", extension]
        subprocess.run(run, check=True, capture_output=True)
        subprocess.run(
            ["openssl", "rsa", "-in", self.key, "-pubout", "-out", self.public_key],
            check=True,
            capture_output=True,
        )

    @property
    def key(self) -> Path:
        return self.folder / f"{self.name}.key"

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.pem"

    @property
    def public_key(self) -> Path:
        return self.folder / f"{self.name}.pub"

    def sign(self, file: Path, method: str = "cms") -> None:
        """Write `<file>.sig`."""
        signature = f"{file}.sig"
        if method == "cms":
            command = ["openssl", "cms", "-sign", "-in", str(file), "-out", signature]
            command += ["-signer", str(self.certificate), "-inkey", str(self.key)]
            command += ["-outform", "DER", "-nosmimecap", "-binary"]
        else:
            command = ["openssl", "dgst", "-sha256", "-sign", str(self.key), "-out", signature]
            if method == "rsa-pss":
                command += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-2"]
            command += [str(file)]
        subprocess.run(command, check=True, capture_output=True)


def pack(folder: Path, names: list[str], form: str = "crc") -> bytes:
    """A cpio archive of files, in that order."""
    listed = "".join(f"{name}\n" for name in names).encode()
    command = ["cpio", "-o", "-H", form, "--quiet"]
    return subprocess.run(command, cwd=folder, input=listed, check=True, capture_output=True).stdout


@dataclass
class Recipe:
    """What a .swu file is made of; the tests damage one thing at a time."""

    image: bytes
    name: str = "rootfs.img"
    method: str = "cms"
    form: str = "crc"
    more: str = ""
    compress: Callable[[bytes], bytes] | None = None
    change_description: Callable[[str], str] = str
    order: tuple[str, ...] | None = None

    def make(self, folder: Path, signer: Signer) -> bytes:
        """Build it in an empty folder."""
        folder.mkdir(exist_ok=True)
        packed = self.compress(self.image) if self.compress else self.image
        (folder / self.name).write_bytes(packed)
        digest = hashlib.sha256(packed).hexdigest()
        text = DESCRIPTION.format(name=self.name, digest=digest, more=self.more)
        description = folder / "sw-description"
        description.write_text(self.change_description(text))
        if self.method != "none":
            signer.sign(description, self.method)
        signature = [] if self.method == "none" else ["sw-description.sig"]
        order = self.order or ("sw-description", *signature, self.name)
        return pack(folder, list(order), self.form)


def gzipped(data: bytes) -> bytes:
    """As `gzip -n` does it."""
    return gzip.compress(data, mtime=0)
