"""Lists of updates, a page at a time, and the search in them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.updates.update import Update
from shared.ports import Page, Stored, Updates

MAX_PAGES_SEARCHED = 10
"""Pages of storage that one page of a search may cost; it may be empty and not be the last."""


@dataclass(slots=True)
class UpdateLists:
    """Updates of an instance."""

    updates: Updates

    async def page(
        self,
        instance: str,
        *,
        search: str | None,
        is_deployable: bool | None,
        token: str | None,
        size: int,
    ) -> Page[Stored[Update]]:
        """One page of the updates that have every word searched for."""
        words = (search or "").casefold().split()
        for _ in range(MAX_PAGES_SEARCHED):
            page = await self.updates.list(
                instance, is_deployable=is_deployable, token=token, size=size
            )
            found = [item for item in page.items if has_words(item.value, words)]
            token = page.token
            if found or token is None:
                break
        return Page(found, token)


def has_words(update: Update, words: list[str]) -> bool:
    """Whether each word, case-folded, is part of the id, the friendly name or the description."""
    text = f"{update.update_id} {update.friendly_name or ''} {update.description or ''}".casefold()
    return all(word in text for word in words)
