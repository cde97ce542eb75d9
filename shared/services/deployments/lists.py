"""Deployments of a group, a page at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.domain.fleet.deployment import Deployment
from shared.ports import Deployments, Page
from shared.services.paging import page_of_sorted


@dataclass(slots=True)
class DeploymentLists:
    """Deployments of an instance's groups."""

    deployments: Deployments

    async def page(
        self,
        instance: str,
        group: str,
        *,
        is_newest_first: bool | None,
        token: str | None,
        size: int,
    ) -> Page[Deployment]:
        """One page, by id, or by start if asked: then the starts of all are read, of the page the
        rest as well.
        """
        if is_newest_first is None:
            stored = await self.deployments.page(instance, group, token=token, size=size)
            return Page([item.value for item in stored.items], stored.token)
        page = page_of_sorted(
            await self.deployments.starts(instance, group),
            lambda item: item,
            is_descending=is_newest_first,
            token=token,
            size=size,
        )
        found = await asyncio.gather(
            *(self.deployments.get(instance, group, identity) for _, identity in page.items)
        )
        return Page([item.value for item in found if item is not None], page.token)
