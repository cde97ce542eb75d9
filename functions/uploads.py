"""REST: uploads from a browser or a command, checks of import manifests, cancelled imports."""

from http import HTTPStatus
from typing import Any

from functions.api import Api, Call, Reply, accepted
from shared.domain.access import Action
from shared.domain.operation import Failure
from shared.http import wire
from shared.http.models import Operation
from shared.http.models import uploads as models
from shared.services.imports.uploads import MAX_BLOCK_BYTES, UploadedManifest

api = Api()


@api.operation(
    "POST",
    "uploads",
    Action.UPDATES_WRITE,
    status=HTTPStatus.CREATED,
    body=models.UploadInput,
    is_additional=True,
)
async def start_upload(call: Call) -> Reply[models.Upload]:
    """Begin an upload: an address for each file that lets you write it for some hours."""
    wanted = call.body(models.UploadInput)
    found = await call.app.imports.uploads.start(
        call.instance, [item.name for item in wanted.files]
    )
    return Reply(
        models.Upload(
            upload_id=found.upload_id,
            files=[models.UploadTarget(name=item.name, url=item.url) for item in found.targets],
            expires_date_time=found.expires_at,
            max_block_bytes=MAX_BLOCK_BYTES,
        ),
        {"Cache-Control": "no-store"},
    )


@api.operation(
    "POST",
    "uploads/{uploadId}:import",
    Action.UPDATES_WRITE,
    status=HTTPStatus.ACCEPTED,
    body=models.UploadImport,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_long_running=True,
    is_additional=True,
)
async def import_upload(call: Call) -> Reply[None]:
    """Start the import of what was uploaded: an update, or a parent with its children."""
    wanted = call.body(models.UploadImport)
    identity = await call.app.imports.uploads.import_uploaded(
        call.instance,
        call.part("uploadId"),
        [UploadedManifest(item.import_manifest, item.friendly_name) for item in wanted.updates],
        call.app.ports.clock.fresh_id(),
    )
    return accepted(call, "updates", "operations", identity)


@api.operation(
    "POST",
    "updates:validate",
    Action.UPDATES_READ,
    body=dict[str, Any],
    is_additional=True,
)
async def validate_import_manifest(call: Call) -> models.ManifestFindings:
    """Check an import manifest without importing it: every violation, and which classes it fits."""
    call.json()
    content = call.request.get_body()
    found = await call.app.imports.validation.check(call.instance, content)
    return models.ManifestFindings(
        is_valid=not found.violations,
        violations=[wire.error(Failure.of(item)) for item in found.violations],
        update_id=wire.update_id(found.update_id) if found.update_id else None,
        is_published=found.is_published,
        missing_updates=[wire.update_id(item) for item in found.missing],
        device_class_ids=list(found.class_ids),
    )


@api.operation(
    "POST",
    "updates/operations/{operationId}:cancel",
    Action.UPDATES_WRITE,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_additional=True,
)
async def cancel_import(call: Call) -> Operation:
    """Cancel an import that is not being published yet; it ends as failed, `ImportCanceled`."""
    identity = call.part("operationId")
    stored = await call.app.imports.operations.cancel(call.instance, identity)
    return wire.operation(call.instance, stored, call.api_version)
