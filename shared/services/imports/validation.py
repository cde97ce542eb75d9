"""Says what would become of an import manifest, without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import DeviceUpdateError, InvalidInput
from shared.domain.fleet.device_class import is_compatible
from shared.domain.limits import Limits, check_import
from shared.domain.updates.import_manifest import ImportManifest, parse_import_manifest
from shared.domain.updates.update_id import UpdateId
from shared.ports import Fleet, Updates


@dataclass(frozen=True, slots=True)
class ManifestFindings:
    """What is wrong with a manifest, and what it would mean here.

    `violations` have JSON pointers as targets. `missing` are the updates that it refers to and that
    are not published; `class_ids` the device classes whose devices could take it.
    """

    violations: Sequence[DeviceUpdateError] = ()
    update_id: UpdateId | None = None
    is_published: bool = False
    missing: Sequence[UpdateId] = ()
    class_ids: Sequence[str] = ()


@dataclass(slots=True)
class ManifestValidation:
    """Checks manifests against the schema, the limits and what is published."""

    updates: Updates
    fleet: Fleet
    limits: Limits

    async def check(self, instance: str, content: bytes) -> ManifestFindings:
        """Check a manifest; nothing is written."""
        try:
            manifest = parse_import_manifest(content)
        except InvalidInput as error:
            return ManifestFindings(violations=error.details or (error,))
        violations: list[DeviceUpdateError] = []
        try:
            check_import([manifest], self.limits)
        except DeviceUpdateError as error:
            violations.append(error)
        known = await self.updates.get(instance, manifest.update_id)
        missing = [
            child
            for child in manifest.references
            if await self.updates.get(instance, child) is None
        ]
        return ManifestFindings(
            violations=violations,
            update_id=manifest.update_id,
            is_published=known is not None,
            missing=missing,
            class_ids=await self._classes(instance, manifest),
        )

    async def _classes(self, instance: str, manifest: ImportManifest) -> Sequence[str]:
        return [
            known.device_class.class_id
            for known in await self.fleet.classes(instance)
            if is_compatible(manifest.compatibility, known.device_class.properties)
        ]
