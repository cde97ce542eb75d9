"""Published updates."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core

if TYPE_CHECKING:
    from shared.services.updates.best_updates import BestUpdates
    from shared.services.updates.deletion import DeleteUpdate
    from shared.services.updates.lists import UpdateLists
    from shared.services.updates.recall import RecallUpdates
    from shared.services.updates.resign import Resign
    from shared.services.updates.signing import Signing


class UpdateServices:
    """Published updates."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def best(self) -> BestUpdates:
        """The best update of each class."""
        from shared.services.updates.best_updates import BestUpdates

        return BestUpdates(
            fleet=self._ports.fleet,
            updates=self._ports.updates,
        )

    @cached_property
    def lists(self) -> UpdateLists:
        """Lists of updates."""
        from shared.services.updates.lists import UpdateLists

        return UpdateLists(
            updates=self._ports.updates,
        )

    @cached_property
    def signing(self) -> Signing:
        """Signatures of update manifests."""
        from shared.services.updates.signing import Signing

        return Signing(
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            signer=self._ports.signer,
            accepted=self._ports.accepted_packages,
            clock=self._ports.clock,
        )

    @cached_property
    def resign(self) -> Resign:
        """New signatures after a change of the key."""
        from shared.services.updates.resign import Resign

        return Resign(
            instances=self._settings.instances,
            signing=self.signing,
            updates=self._ports.updates,
            deployments=self._ports.deployments,
            own_deployments=self._core.own_deployments,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            clock=self._ports.clock,
        )

    @cached_property
    def recalls(self) -> RecallUpdates:
        """Updates that are taken back."""
        from shared.services.updates.recall import RecallUpdates

        return RecallUpdates(
            updates=self._ports.updates,
            deployments=self._ports.deployments,
            own_deployments=self._core.own_deployments,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            best_updates=self.best,
            announcer=self._core.announcer,
            clock=self._ports.clock,
            audit=self._core.audit,
        )

    @cached_property
    def deletion(self) -> DeleteUpdate:
        """Deletions of updates."""
        from shared.services.updates.deletion import DeleteUpdate

        return DeleteUpdate(
            operations=self._ports.operations,
            updates=self._ports.updates,
            deployments=self._ports.deployments,
            own_deployments=self._core.own_deployments,
            fleet=self._ports.fleet,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            best_updates=self.best,
            clock=self._ports.clock,
        )
