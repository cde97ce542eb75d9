"""What lists of updates can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.scanning.scan import Verdict, worst
from shared.domain.updates.update import Update

_SCAN_RESULTS = {"clean": "Success", "malicious": "Malicious"}


def scan_result_of(update: Update) -> str | None:
    """The worst that scanners said of its payloads, as the API words it; None if none did."""
    return worst_result([each for file in update.files for each in file.verdicts])


def worst_result(verdicts: Sequence[Verdict]) -> str | None:
    """The worst of some verdicts as the API words it; None if there is none."""
    return scan_result(worst(verdicts).status) if verdicts else None


def scan_result(status: str) -> str:
    """The status of a verdict as the API words it."""
    return _SCAN_RESULTS.get(status, status)


@dataclass(frozen=True, slots=True)
class UpdateFilter:
    """Which updates to list: those that meet every part. `words` are case-folded pieces of the id,
    the friendly name or the description.
    """

    is_deployable: bool | None = None
    provider: str | None = None
    name: str | None = None
    friendly_name: str | None = None
    scan_result: str | None = None
    is_recalled: bool = False
    words: tuple[str, ...] = ()

    def has(self, update: Update) -> bool:
        """Whether an update is one of them."""
        is_deployable = update.is_deployable and update.recall is None
        return (
            self.is_deployable in (None, is_deployable)
            and self.provider in (None, update.update_id.provider)
            and self.name in (None, update.update_id.name)
            and self.friendly_name in (None, update.friendly_name)
            and (self.scan_result is None or self.scan_result == scan_result_of(update))
            and (not self.is_recalled or update.recall is not None)
            and has_words(update, self.words)
        )


def words_of(text: str | None) -> tuple[str, ...]:
    """What is searched for, as `UpdateFilter` has it."""
    return tuple((text or "").casefold().split())


def has_words(update: Update, words: tuple[str, ...]) -> bool:
    """Whether each word, case-folded, is part of the id, the friendly name or the description."""
    text = f"{update.update_id} {update.friendly_name or ''} {update.description or ''}".casefold()
    return all(word in text for word in words)
