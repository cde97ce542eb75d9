"""Build the Debian package: `python agent/build_deb.py [folder]`; needs debhelper and pip.

The package's sources are put together in a scratch folder: the agent with the wire contract in it,
the vendored libraries as agent/debian/vendor.txt pins them, and agent/debian.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

AGENT = Path(__file__).parent
_EPOCH = "1796029200"
"""Of the changelog's last entry: the same sources give the same package."""


def main(arguments: list[str]) -> int:
    """Build into a folder; prints the package's path."""
    target = Path(arguments[0] if arguments else "build").resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "odu-agent"
        assemble(source)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
        command = ["dpkg-buildpackage", "--build=binary", "--no-sign", "-d"]
        subprocess.run(command, cwd=source, env=environment, check=True, stdout=sys.stderr)
        for package in Path(scratch).glob("*.deb"):
            shutil.copy(package, target)
            print(target / package.name)  # noqa: T201
    return 0


def assemble(source: Path) -> None:
    """Put the sources of the package together."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "ruff.toml", ".ruff_cache")
    # The contract is a link into the service's sources, and a copy in the package.
    shutil.copytree(AGENT / "odu_agent", source / "odu_agent", symlinks=False, ignore=ignore)
    shutil.copytree(AGENT / "debian", source / "debian", ignore=ignore)
    for name in ("bin", "etc", "man"):
        shutil.move(source / "debian" / name, source / name)
    shutil.move(source / "debian" / "du-config.example.json", source)
    for name in ("hooks", "dtdl"):
        shutil.copytree(AGENT / name, source / name, ignore=ignore)
    _check_version(source)
    _vendor(source / "vendor")


def _vendor(folder: Path) -> None:
    requirements = AGENT / "debian" / "vendor.txt"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--require-hashes", "--only-binary=:all:", "--target", str(folder)]
    subprocess.run([*command, "--requirement", str(requirements)], check=True, stdout=sys.stderr)
    (folder / "sockshandler.py").unlink()
    for licence in folder.glob("*.dist-info/**/*"):
        if licence.is_file() and licence.name != "METADATA":
            licence.unlink()
    for empty in sorted(folder.glob("*.dist-info/**/"), reverse=True):
        if not any(empty.iterdir()):
            empty.rmdir()


def _check_version(source: Path) -> None:
    own = re.search(r'__version__ = "(.*)"', (source / "odu_agent" / "__init__.py").read_text())
    packaged = re.search(r"\((.*?)\)", (source / "debian" / "changelog").read_text())
    assert own is not None
    assert packaged is not None
    if own.group(1) != packaged.group(1):
        raise SystemExit(f"the agent is {own.group(1)}, debian/changelog {packaged.group(1)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
