"""Words a command as the twin's desired properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.contract.twin import cancel_command, deployment_command, desired_patch
from shared.domain.errors import NotFound
from shared.domain.fleet.command_size import check_command
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Blobs, Updates


@dataclass(slots=True)
class Commands:
    """Builds desired properties; links are made afresh, so that they do not run out."""

    updates: Updates
    blobs: Blobs
    root_keys_url: str

    async def desired(
        self,
        instance: str,
        command: DeviceCommand,
        previous: DeviceCommand | None,
        cache: dict[UpdateId, Mapping[str, Any]],
    ) -> tuple[Mapping[str, Any], DeviceCommand]:
        """The patch of the desired properties for a command, and the command with the ids of the
        files whose links stand in the twin once it is patched.

        Args:
            instance: The instance of the device.
            command: What to ask for.
            previous: What the device was asked before: a patch merges, so old links are nulled.
            cache: Manifest, signature and links by update, to share among devices of one run.

        Raises:
            NotFound: The update was deleted or recalled.
        """
        root_keys_url = self.root_keys_url.format(instance=instance)
        if command.is_cancel:
            service = cancel_command(command.workflow_on_device, root_keys_url)
            return desired_patch(service), replace(command, file_ids=())
        if command.update_id not in cache:
            cache[command.update_id] = await self._offered(instance, command.update_id)
        parts = cache[command.update_id]
        service = deployment_command(
            command.workflow_on_device,
            command.retry_timestamp,
            root_key_package_url=root_keys_url,
            **parts,
        )
        present = previous.file_ids if previous else ()
        patch = desired_patch(service, present_file_ids=present)
        return patch, replace(command, file_ids=tuple(parts["file_urls"]))

    async def check_size(self, instance: str, update: Update, target: str | None = None) -> None:
        """Refuse an update whose command no twin could hold.

        Args:
            instance: The instance.
            update: The update, published or about to be.
            target: Where a request names it; by default what is at fault in its manifest.

        Raises:
            LimitExceeded: `CommandTooLarge`.
        """
        service = deployment_command(
            "",
            None,
            root_key_package_url=self.root_keys_url.format(instance=instance),
            **await self._parts(instance, update),
        )
        patch = desired_patch(service)
        check_command(update.update_id, patch, len(update.all_files), target)

    async def _offered(self, instance: str, update_id: UpdateId) -> Mapping[str, Any]:
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target="updateId")
        if stored.value.recall is not None:
            raise NotFound(f"Update '{update_id}' was recalled.", target="updateId")
        return await self._parts(instance, stored.value)

    async def _parts(self, instance: str, update: Update) -> Mapping[str, Any]:
        return {
            "manifest": update.manifest,
            "signature": update.signature,
            "file_urls": {
                file_id: await self.blobs.link("content", f"{instance}/{digest}")
                for file_id, digest in update.content.items()
            },
        }
