"""One update to import, as its publisher names it: a manifest and files, each at a URL.

URLs carry secrets (SAS), so no message of this module repeats one, and no value shows one in its
`repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.errors import InvalidInput
from shared.domain.updates.import_manifest import ImportManifest


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One update to import; `files` pairs file names with URLs, `manifest_sha256` is base64."""

    manifest_url: str = field(repr=False)
    manifest_size_bytes: int
    manifest_sha256: str
    friendly_name: str | None
    files: tuple[tuple[str, str], ...] = field(repr=False)


def match_files(manifest: ImportManifest, item: ImportItem) -> dict[str, str]:
    """Return the URL of every file of the manifest, related files included.

    Raises:
        InvalidInput: The request lacks files of the manifest or names others; `details` has one
            entry for each, its `target` the file name.
    """
    urls = dict(item.files)
    needed = {file.filename for file in manifest.all_files}
    details = [
        InvalidInput(f"{name}: the request gives no URL for it", code="FileMissing", target=name)
        for name in sorted(needed - urls.keys())
    ] + [
        InvalidInput(f"{name}: the manifest has no such file", code="FileNotNeeded", target=name)
        for name in sorted(urls.keys() - needed)
    ]
    if details:
        raise InvalidInput(
            "The files of the request are not those of the manifest: "
            + "; ".join(detail.message for detail in details[:3]),
            code="CannotProcessImportManifest",
            details=tuple(details),
            inner=InvalidInput("Request and manifest name other files.", code="FilesDiffer"),
        )
    return urls
