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
    from collections.abc import Callable, Iterable, Iterator

SUITE = "bookworm"
LAB = Path(__file__).parent
_AGENT = REPOSITORY / "agent"
_DEBIAN = (LAB / "system/etc/initramfs-tools",)
_SYSTEM = (
    LAB / "system",
    LAB / "finish-system",
    *(_AGENT / name for name in ("build_deb.py", "debian", "dtdl", "hooks", "odu_agent")),
)
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


def system_image(cache: Path, say: Callable[[str], None]) -> Path:
    """The file system of the device; what is in the cache is not made again.

    Args:
        cache: Keeps Debian without the agent, and the whole system.
        say: Told what is being made.

    Raises:
        LabError: It cannot be made.
    """
    image = cache / f"system-{_digest(*_DEBIAN, *_SYSTEM)}.ext4"
    if not image.exists():
        cache.mkdir(parents=True, exist_ok=True)
        debian = _debian(cache, say)
        say("installing the agent's package")
        _make(image, lambda fresh: _install_agent(cache, debian, fresh))
    return image


def _debian(cache: Path, say: Callable[[str], None]) -> Path:
    archive = cache / f"debian-{_digest(*_DEBIAN)}.tar"
    if not archive.exists():
        say(f"fetching and installing packages of Debian's {SUITE}")
        _make(archive, lambda fresh: _install_debian(cache, fresh))
    return archive


def _make(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file of the cache; it is there as a whole or not at all, and replaces older ones."""
    fresh = path.with_name(f"new-{path.name}")
    make(fresh)
    for old in path.parent.glob(f"{path.name.partition('-')[0]}-*"):
        old.unlink()
    fresh.rename(path)


def _install_debian(cache: Path, archive: Path) -> None:
    # Settings of the initial file system first: it is made when the kernel is installed.
    settings = _overlay(cache / "settings.tar", "etc/initramfs-tools")
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", "--quiet"]
    command += [f"--include={','.join(_PACKAGES)}", f"--essential-hook=tar-in '{settings}' /"]
    command += [f"--dpkgopt=path-exclude={path}" for path in _UNWANTED]
    run([*command, SUITE, archive])


def _install_agent(cache: Path, debian: Path, image: Path) -> None:
    package = run([sys.executable, _AGENT / "build_deb.py", cache]).strip()
    agent = Path(package).rename(cache / "odu-agent.deb")
    overlay = _overlay(cache / "overlay.tar", ".")
    unpack = f"mmtarfilter '--path-exclude=/dev/*' < '{debian}' | tar --extract --directory \"$1\""
    command = ["mmdebstrap", "--variant=custom", "--skip=update", "--format=null", "--quiet"]
    command += [f"--setup-hook={unpack}"]
    command += [f"--customize-hook=tar-in '{overlay}' /", f"--customize-hook=copy-in '{agent}' /"]
    command += [f"--customize-hook='{LAB / 'finish-system'}' \"$1\""]
    environment = {**os.environ, "ODU_LAB_IMAGE": str(image), "MKE2FS": program("mke2fs")}
    run([*command, SUITE, "/dev/null"], environment=environment)


def _overlay(archive: Path, name: str) -> Path:
    """Our own files of the system, as an archive of root's."""
    with tarfile.open(archive, "w") as file:
        file.add(LAB / "system" / name, name, filter=_as_root)
    return archive


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _digest(*sources: Path) -> str:
    """Of all that is made of these sources and of Debian's packages."""
    total = hashlib.sha256(repr((SUITE, _PACKAGES, _UNWANTED)).encode())
    for path in _files(sources):
        total.update(str(path.relative_to(REPOSITORY)).encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_file():
            yield source
        # the wire contract is a link into the service's sources
        for folder, folders, names in os.walk(source, followlinks=True):
            folders[:] = sorted(set(folders) - {"__pycache__", ".ruff_cache", ".mypy_cache"})
            yield from (Path(folder, name) for name in sorted(names))
