"""Sees to it that the updates for one kind of device are versions of one another.

Which provider and name updates with a set of device properties have is held in a row of its own,
written before the update and looked at again after: of two imports at the same time the later one
sees the other. What is held for updates that are gone, or never came to be, anybody may take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.contract.compatibility import in_new_names
from shared.domain.errors import LimitExceeded
from shared.domain.limits import Limits, exceeded
from shared.domain.updates.update_id import Family, UpdateId
from shared.ports import Holders, Updates
from shared.services.paging import every
from shared.services.retrying import retry_on_conflict

type Compatibility = Sequence[Mapping[str, str]]


@dataclass(slots=True)
class Families:
    """Which families of updates fit which set of device properties."""

    updates: Updates
    holders: Holders
    limits: Limits = field(default_factory=Limits)

    async def claim(self, instance: str, wanted: Mapping[UpdateId, Compatibility]) -> None:
        """Hold every set of device properties of the updates of one import for their families.

        Raises:
            LimitExceeded: Other families hold one of them.
        """
        named = {each: _in_new_names(sets) for each, sets in wanted.items()}
        for update_id, compatibility in named.items():
            for at, properties in enumerate(compatibility):
                coming = {each.family for each in named if properties in named[each]}
                try:
                    await self._hold(instance, update_id.family, properties, coming)
                except LimitExceeded as error:
                    error.target = f"/compatibility/{at}"
                    raise

    async def _hold(
        self, instance: str, family: Family, properties: Mapping[str, str], coming: set[Family]
    ) -> None:
        async def cycle() -> None:
            stored = await self.holders.of(instance, properties)
            holders = stored.value if stored else ()
            if family in holders:
                return
            others = [
                each
                for each in holders
                if each in coming or await self._has_any(instance, each, properties)
            ]
            if len(others) >= self.limits.names_per_compatibility:
                raise self._too_many(family, others, properties)
            await self.holders.save(
                instance, properties, (*others, family), stored.etag if stored else None
            )

        await retry_on_conflict(cycle)

    async def _has_any(self, instance: str, family: Family, properties: Mapping[str, str]) -> bool:
        """Whether an update of a family has a set of device properties."""
        known = every(
            lambda token: self.updates.list(
                instance, provider=family.provider, name=family.name, token=token
            )
        )
        async for stored in known:
            if properties in _in_new_names(stored.value.compatibility):
                return True
        return False

    def _too_many(
        self, family: Family, others: Sequence[Family], properties: Mapping[str, str]
    ) -> LimitExceeded:
        """The error as the managed service has it."""
        what = ", ".join(f"{name}={value}" for name, value in properties.items())
        reason = exceeded(
            f"Updates '{others[0]}' fit {what} already, so updates '{family}' cannot",
            "names_per_compatibility",
            self.limits.names_per_compatibility,
        ).message
        is_same_provider = any(each.provider == family.provider for each in others)
        inner = "UpdateNameCompatibility" if is_same_provider else "UpdateProviderCompatibility"
        return LimitExceeded(
            reason, code="UpdateLimitExceeded", inner=LimitExceeded(reason, code=inner)
        )


def _in_new_names(compatibility: Compatibility) -> list[dict[str, str]]:
    return [in_new_names(properties) for properties in compatibility]
