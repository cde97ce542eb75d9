"""Limits of an instance and the budget of requests to it.

Defaults are those of the managed service (Standard tier) or above them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.domain.errors import LimitExceeded
from shared.domain.updates.import_manifest import ImportManifest


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; each is set by an app setting, such as LIMIT_FILE_BYTES for `file_bytes`.

    The import manifest schema has bounds of its own (2 GiB a file, ten files an update), above
    which no setting can lift the first three.
    """

    file_bytes: int = 2 << 30
    """Size of one file of an update."""
    import_bytes: int = 2 << 30
    """Size of all files of one import."""
    files_per_update: int = 10
    """Files of one update, related files apart."""
    running_operations: int = 100
    """Imports and deletions at the same time; those begun in the last day count."""
    deployments_per_group: int = 1000
    """Deployments of a group that have not been deleted, whatever their state."""
    devices_without_approval: int = 1_000_000_000
    """Devices that a deployment may target without the approval of a second person."""
    names_per_compatibility: int = 1
    """Pairs of provider and name whose updates have the same set of device properties. With one,
    the updates for a kind of device are versions of one another, as the managed service has it."""
    new_classes_per_hour: int = 30
    """Device classes of an instance that may become new within an hour; devices of others wait."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests a minute to one instance, in each process of the app, for each data action.

    Each is set by an app setting, such as REQUESTS_PER_MINUTE_READ for `read`.
    """

    read: int = 60_000
    write: int = 12_000
    delete: int = 12_000


class TooManyRequests(LimitExceeded):
    """A limit that is free again after `retry_after` seconds."""

    default_code = "TooManyRequests"
    retryable = True

    def __init__(self, message: str, retry_after: float, target: str | None = None) -> None:
        super().__init__(message, target=target)
        self.retry_after = retry_after


def exceeded(what: str, limit: str, value: int) -> LimitExceeded:
    """The error of a limit. `limit` is its name, `what` says who exceeds it."""
    return LimitExceeded(f"{what}; the limit {limit} is {value}.", target=limit)


def check_import(manifests: Iterable[ImportManifest], limits: Limits) -> None:
    """Let an import pass or refuse it for its size.

    Raises:
        LimitExceeded: A file or the import is too large, or an update has too many files.
    """
    total = 0
    for manifest in manifests:
        if len(manifest.files) > limits.files_per_update:
            raise exceeded(
                f"Update '{manifest.update_id}' has {len(manifest.files)} files",
                "files_per_update",
                limits.files_per_update,
            )
        for file in manifest.all_files:
            total += file.size_bytes
            if file.size_bytes > limits.file_bytes:
                raise exceeded(
                    f"File '{file.filename}' has {file.size_bytes} bytes",
                    "file_bytes",
                    limits.file_bytes,
                )
    if total > limits.import_bytes:
        raise exceeded(
            f"The files of the import have {total} bytes", "import_bytes", limits.import_bytes
        )
