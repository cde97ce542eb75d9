"""The system of the reference device: a small Debian with the agent's package, as one file system.

It takes a minute or two to make, and is kept until what it is made of changes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from local.lab.commands import program, run
from local.stack.running import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "bookworm"
LAB = Path(__file__).parent
_AGENT = REPOSITORY / "agent"
_PACKAGES = (
    "adduser",
    "ca-certificates",
    "grub-common",
    "initramfs-tools",
    "linux-image-cloud-amd64",
    "openssl",
    "python3",
    "python3-cryptography",
    "systemd-sysv",
    "udev",
    "zstd",
)
_UNWANTED = (
    *(f"/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
    "/lib/udev/hwdb.d/*",
    "/usr/share/zoneinfo/*",
    "/usr/lib/x86_64-linux-gnu/gconv/*",
    *(
        f"/lib/modules/*/kernel/{name}/*"
        for name in (
            *("arch/x86/kvm", "drivers/comedi", "drivers/hid", "drivers/infiniband", "drivers/md"),
            *("drivers/net/ethernet", "drivers/scsi", "drivers/target", "fs/btrfs", "fs/ceph"),
            *("fs/nfs", "fs/nfsd", "fs/smb", "fs/xfs", "net/netfilter", "net/sunrpc"),
        )
    ),
)
"""What a device in QEMU never looks at, and each update would carry."""


def system_image(cache: Path) -> Path:
    """The file system of the device; made if it is not in the cache.

    Raises:
        LabError: It cannot be made.
    """
    image = cache / f"system-{_digest()}.ext4"
    if not image.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob("system-*"):
            old.unlink()
        fresh = image.with_suffix(".new")
        _build(cache, fresh)
        fresh.rename(image)
    return image


def is_cached(cache: Path) -> bool:
    """Whether nothing has to be made."""
    return (cache / f"system-{_digest()}.ext4").exists()


def _build(cache: Path, image: Path) -> None:
    package = run([sys.executable, _AGENT / "build_deb.py", cache]).strip()
    agent = Path(package).rename(cache / "odu-agent.deb")
    overlay = cache / "overlay.tar"
    with tarfile.open(overlay, "w") as archive:
        archive.add(LAB / "system", ".", filter=_as_root)
    command = ["mmdebstrap", "--variant=minbase", "--format=null", "--quiet"]
    command += [f"--include={','.join(_PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={path}" for path in _UNWANTED]
    # Settings of the initial file system first: its maker runs when the kernel is installed.
    command += [f"--essential-hook=tar-in '{overlay}' /"]
    command += [f"--customize-hook=tar-in '{overlay}' /", f"--customize-hook=copy-in '{agent}' /"]
    command += [f"--customize-hook='{LAB / 'finish-system'}' \"$1\""]
    environment = {**os.environ, "ODU_LAB_IMAGE": str(image), "MKE2FS": program("mke2fs")}
    run([*command, SUITE, "/dev/null"], environment=environment)


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _digest() -> str:
    """Of all that the system is made of but Debian's packages."""
    total = hashlib.sha256(repr((SUITE, _PACKAGES, _UNWANTED)).encode())
    for path in _sources():
        total.update(str(path.relative_to(REPOSITORY)).encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    yield LAB / "finish-system"
    for top in (LAB / "system", _AGENT / "odu_agent", _AGENT / "debian", _AGENT / "hooks"):
        # the wire contract is a link into the service's sources
        for folder, folders, names in os.walk(top, followlinks=True):
            folders[:] = sorted(set(folders) - {"__pycache__", ".ruff_cache", ".mypy_cache"})
            yield from (Path(folder, name) for name in sorted(names))
