"""Archives built in memory for the tests of scanning."""

from __future__ import annotations

import io
import tarfile
import zipfile

import zstandard

# In two halves, so that scanners of this repository leave it alone.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*"

# Compressors write its last copy as references to the parts, so no packed form holds it whole.
EVIL = EICAR[:40] + b"\n" + EICAR[28:] + b"\n" + EICAR


def a_zip(
    members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = comment
    return buffer.getvalue()


def a_tar(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


def an_ar(members: dict[str, bytes]) -> bytes:
    archive = b"!<arch>\n"
    for name, data in members.items():
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    return archive


def a_deb(data_tar: bytes, name: str = "data.tar") -> bytes:
    return an_ar({"debian-binary": b"2.0\n", "control.tar": a_tar({}), name: data_tar})


def a_cpio(members: dict[str, bytes], magic: str = "070702") -> bytes:
    archive = b""
    for name, data in [*members.items(), ("TRAILER!!!", b"")]:
        fields = [0] * 13
        fields[6], fields[11] = len(data), len(name) + 1
        head = (magic + "".join(f"{field:08X}" for field in fields)).encode() + name.encode()
        head += b"\0"
        archive += head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    return archive + b"\0" * (-len(archive) % 512)
