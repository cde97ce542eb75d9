"""Lists of updates, a page at a time, and the search in them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.updates.update import Update
from shared.domain.updates.update_filter import UpdateFilter
from shared.ports import Page, Stored, Updates
from shared.services.paging import page_by_time

MAX_PAGES_SEARCHED = 10
"""Pages of storage that one page of a search may cost; it may be empty and not be the last."""


@dataclass(slots=True)
class UpdateLists:
    """Updates of an instance."""

    updates: Updates

    async def page(
        self,
        instance: str,
        wanted: UpdateFilter,
        *,
        is_newest_first: bool | None = None,
        token: str | None,
        size: int,
    ) -> Page[Stored[Update]]:
        """One page of the updates that a filter selects.

        They come in the order of provider and name, unless an order by import is asked for: then
        the times of all are read, a thousand a request, and of the updates those that are shown.
        """
        if is_newest_first is not None:
            times = await self.updates.imported(instance, provider=wanted.provider)
            by_name = {str(update_id): update_id for _, update_id in times}
            return await page_by_time(
                [(at, str(update_id)) for at, update_id in times],
                lambda name: self.updates.get(instance, by_name[name]),
                is_newest_first=is_newest_first,
                token=token,
                size=size,
                has=lambda item: wanted.has(item.value),
            )
        for _ in range(MAX_PAGES_SEARCHED):
            page = await self.updates.list(
                instance,
                provider=wanted.provider,
                name=wanted.name if wanted.provider is not None else None,
                is_deployable=wanted.is_deployable,
                token=token,
                size=size,
            )
            found = [item for item in page.items if wanted.has(item.value)]
            token = page.token
            if found or token is None:
                break
        return Page(found, token)
