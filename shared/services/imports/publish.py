"""Last stage of an import: clean content is promoted, the update manifest signed, the update
published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from shared.contract.encoding import b64
from shared.domain.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from shared.domain.operation import ImportSource, Operation, Stage
from shared.domain.updates.import_manifest import ImportManifest, parse_import_manifest
from shared.domain.updates.update import PreparedUpdate, Update, hex_of, prepare
from shared.domain.updates.update_id import UpdateId
from shared.ports import Blobs, Clock, Operations, Updates
from shared.services.commands import Commands
from shared.services.imports.attempt import ImportAttempt
from shared.services.imports.compatibility import Families
from shared.services.imports.operation import Imports
from shared.services.imports.promotion import promote
from shared.services.imports.scan import VERDICTS, refusal
from shared.services.paging import every
from shared.services.scanning.engines import Judged, Scanning
from shared.services.scanning.evidence import Evidence
from shared.services.updates.best_updates import BestUpdates
from shared.services.updates.references import referred
from shared.services.updates.signing import Signing
from shared.topology import quarantine_prefix


@dataclass(slots=True)
class ImportPublish:
    """Publishes what was scanned."""

    imports: Imports
    operations: Operations
    updates: Updates
    blobs: Blobs
    evidence: Evidence
    scanning: Scanning
    signing: Signing
    best_updates: BestUpdates
    families: Families
    commands: Commands
    clock: Clock

    async def run(self, instance: str, identity: str) -> None:
        """Publish every update of the import, children first. Running again changes nothing."""
        await self.imports.work(instance, identity, Stage.PUBLISH, self._run, self._withdraw)

    async def _run(self, attempt: ImportAttempt) -> None:
        async with attempt.kept_alive():
            published = await self._publish_all(attempt.instance, attempt.operation)
        warnings = tuple(warning for update in published for warning in update.warnings)
        if warnings:
            await attempt.save(warnings=warnings)
        await self.imports.succeed(attempt, [update.update_id for update in published])

    async def _withdraw(self, instance: str, operation: Operation) -> None:
        """Take back the children of a parent that cannot be published."""
        for update_id in await self._named(instance, operation):
            known = await self.updates.get(instance, update_id)
            if known is not None and known.value.operation_id == operation.operation_id:
                await self.updates.delete(instance, update_id)
                await self.best_updates.published(instance, known.value)

    async def _named(self, instance: str, operation: Operation) -> list[UpdateId]:
        """What an import may have published; manifests that were changed no longer say."""
        try:
            return [item.update_id for _, _, item in await self._manifests(instance, operation)]
        except NotFound:
            known = every(lambda token: self.updates.list(instance, token=token))
            found = [item.value async for item in known]
            identity = operation.operation_id
            return [item.update_id for item in found if item.operation_id == identity]

    async def _publish_all(self, instance: str, operation: Operation) -> list[Update]:
        """Publish all; they come in the order of the request."""
        prefix = quarantine_prefix(instance, operation.operation_id)
        scanned = await self.evidence.read(prefix + VERDICTS, dict[str, Judged])
        if scanned is None:
            raise NotFound("The verdicts on the quarantined content are gone; import again.")
        manifests = await self._manifests(instance, operation)
        if len(manifests) < len(operation.sources):
            raise NotFound("A quarantined import manifest is gone; import again.")
        if len(manifests) > 1:  # nothing is published if one cannot be; one alone finds out itself
            for _, _, manifest in manifests:
                await self._check_id(instance, operation, manifest.update_id)
        published: dict[int, Update] = {}
        for index, source, manifest in sorted(manifests, key=lambda item: len(item[2].references)):
            published[index] = await self._publish(
                instance, operation, source, manifest, f"{prefix}{index}/", scanned
            )
        return [published[index] for index in sorted(published)]

    async def _manifests(
        self, instance: str, operation: Operation
    ) -> list[tuple[int, ImportSource, ImportManifest]]:
        prefix = quarantine_prefix(instance, operation.operation_id)
        found = []
        for index, source in enumerate(operation.sources):
            content = await self.blobs.read("quarantine", f"{prefix}{index}/manifest.json")
            if content is not None:
                _check_manifest(source, content)
                found.append((index, source, parse_import_manifest(content)))
        return found

    async def _publish(
        self,
        instance: str,
        operation: Operation,
        source: ImportSource,
        manifest: ImportManifest,
        prefix: str,
        scanned: Mapping[str, Judged],
    ) -> Update:
        children = [
            await referred(self.updates, instance, child, manifest.update_id)
            for child in manifest.references
        ]
        await self._check_harm(instance, manifest)
        verdicts = {
            entry.filename: scanned[f"{prefix}{at}"].verdicts
            for at, entry in enumerate(manifest.all_files)
        }
        prepared = prepare(manifest, children, verdicts)
        await self._promote(instance, manifest, prepared, prefix, scanned)
        update = await self._signed(operation, source, manifest, prepared)
        await self.commands.check_size(instance, update)
        is_added = await self.updates.add(instance, update)
        if not is_added:  # by an earlier try, or there is another update of this name
            await self._check_id(instance, operation, update.update_id)
        # a deletion that did not see this update yet may have taken a child or a blob meanwhile,
        # and one of its files may have been found malicious
        await self._check_again(instance, update, manifest)
        await self._promote(instance, manifest, prepared, prefix, scanned)
        # the signing key may have changed before this update could be found and signed anew
        signed_by = update.signature_edition if is_added else None
        await self.signing.renew(instance, update.update_id, signed_by=signed_by)
        await self.best_updates.published(instance, update)
        return update

    async def _check_id(self, instance: str, operation: Operation, update_id: UpdateId) -> None:
        known = await self.updates.get(instance, update_id)
        if known is not None and known.value.operation_id != operation.operation_id:
            raise Conflict(
                f"Update '{update_id}' exists already; versions cannot be replaced.",
                code="UpdateAlreadyExists",
                target="/updateId",
            )

    async def _check_harm(self, instance: str, manifest: ImportManifest) -> None:
        """Refuse content that was found malicious at any time, also after its scan."""
        for entry in manifest.all_files:
            found = await self.scanning.harm(instance, entry.sha256)
            if found is not None:
                raise refusal(entry.filename, found)

    async def _check_again(self, instance: str, update: Update, manifest: ImportManifest) -> None:
        """Take the update back if a child or its device properties went to others meanwhile, or
        its content was found malicious.
        """
        try:
            await self._check_harm(instance, manifest)
            for child in update.references:
                await referred(self.updates, instance, child, update.update_id)
            await self.families.claim(instance, {update.update_id: update.compatibility})
        except (NotFound, LimitExceeded, InvalidInput):
            await self.updates.delete(instance, update.update_id)
            raise

    async def _promote(
        self,
        instance: str,
        manifest: ImportManifest,
        prepared: PreparedUpdate,
        prefix: str,
        scanned: Mapping[str, Judged],
    ) -> None:
        """Bring the content out of quarantine; what is there already gets a new ETag.

        Imports of the same bytes write the same blob, and none of them takes a copy that another
        has only begun for the content.
        """
        for at, entry in enumerate(manifest.all_files):
            source, target = f"{prefix}{at}", f"{instance}/{hex_of(entry.sha256)}"
            await promote(self.blobs, entry, source, target, scanned[source].etag)
        for item in prepared.generated:
            await self.blobs.write("content", f"{instance}/{hex_of(item.sha256)}", item.content)

    async def _signed(
        self,
        operation: Operation,
        source: ImportSource,
        manifest: ImportManifest,
        prepared: PreparedUpdate,
    ) -> Update:
        signature, record = await self.signing.sign(prepared.manifest, operation.operation_id)
        is_detached = prepared.full_manifest != prepared.manifest
        return Update(
            update_id=manifest.update_id,
            is_deployable=manifest.is_deployable,
            compatibility=manifest.compatibility,
            manifest_version=manifest.document["manifestVersion"],
            steps=tuple(manifest.document["instructions"]["steps"]),
            files=prepared.files,
            created_at=manifest.created_date_time,
            imported_at=self.clock.now(),
            operation_id=operation.operation_id,
            manifest=prepared.manifest,
            signature=signature,
            signature_record=record,
            content=prepared.content,
            file_names=prepared.file_names,
            detached_manifest=prepared.full_manifest if is_detached else None,
            friendly_name=source.friendly_name,
            description=manifest.description,
            references=manifest.references,
        )


def _check_manifest(source: ImportSource, content: bytes) -> None:
    """Raises NotFound if it is another than was read at first."""
    if source.manifest_sha256 != b64(hashlib.sha256(content).digest()):
        raise NotFound("A quarantined import manifest was changed; import again.")
