"""A repository of Debian packages and a root to install them into, both made by a test."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Repository:
    """A flat repository; `add` builds a package into it with dpkg-deb."""

    folder: Path

    def add(
        self,
        name: str,
        version: str,
        *,
        files: dict[str, str] | None = None,
        conffiles: tuple[str, ...] = (),
        scripts: dict[str, str] | None = None,
        **fields: str,
    ) -> None:
        """Build a package; `fields` are further control fields, with _ for -."""
        tree = self.folder / "build" / f"{name}_{version}"
        control = tree / "DEBIAN"
        control.mkdir(parents=True)
        members = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "Contoso <contoso@example.com>",
            "Description": "of a test",
            **{key.replace("_", "-"): value for key, value in fields.items()},
        }
        (control / "control").write_text("".join(f"{k}: {v}\n" for k, v in members.items()))
        for path, text in {f"usr/share/{name}/version": version, **(files or {})}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        if conffiles:
            (control / "conffiles").write_text("".join(f"/{path}\n" for path in conffiles))
        for kind, text in (scripts or {}).items():
            script = control / kind
            script.write_text(f"#!/bin/sh\nset -e\n{text}\n")
            script.chmod(0o755)
        package = self.folder / f"{name}_{version.replace(':', '%3a')}_all.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, package]
        subprocess.run(command, check=True, capture_output=True)
        self._index(members, package)

    def withdraw(self, name: str, version: str) -> None:
        """Take a package out of the index and the folder."""
        (self.folder / f"{name}_{version}_all.deb").unlink()
        index = self.folder / "Packages"
        kept = [
            entry
            for entry in index.read_text().split("\n\n")
            if entry and f"Package: {name}\nVersion: {version}\n" not in entry
        ]
        index.write_text("".join(f"{entry}\n\n" for entry in kept))

    def _index(self, members: dict[str, str], package: Path) -> None:
        content = package.read_bytes()
        entry = {
            **members,
            "Filename": f"./{package.name}",
            "Size": str(len(content)),
            "SHA256": hashlib.sha256(content).hexdigest(),
        }
        with (self.folder / "Packages").open("a") as file:
            file.write("".join(f"{k}: {v}\n" for k, v in entry.items()) + "\n")


@dataclass
class Root:
    """A root of its own for apt and dpkg; never the machine's."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, repository: Repository) -> Root:
        """An empty root whose one source is the repository."""
        sources = folder / "etc/apt/sources.list"
        sources.parent.mkdir(parents=True)
        sources.write_text(f"deb [trusted=yes] file:{repository.folder} ./\n")
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (folder / name).mkdir(parents=True)
        (folder / "var/lib/dpkg/status").touch()
        return cls(folder)

    def states(self) -> dict[str, tuple[str, str]]:
        """Version and status of each package, as dpkg tells."""
        command = ["dpkg-query", f"--admindir={self.folder / 'var/lib/dpkg'}", "--show"]
        form = "--showformat=${Package} ${Version} ${db:Status-Status}\n"
        shown = subprocess.run([*command, form], check=False, capture_output=True, text=True)
        rows = [line.split(" ") for line in shown.stdout.splitlines()]
        return {name: (version, status) for name, version, status in rows}

    def hold(self, name: str) -> None:
        """Hold a package as an administrator would."""
        command = ["dpkg", f"--root={self.folder}", "--set-selections"]
        subprocess.run(command, input=f"{name} hold\n", text=True, check=True)

    def read(self, path: str) -> str | None:
        """Content of a file in the root, None if there is none."""
        file = self.folder / path
        return file.read_text() if file.exists() else None
