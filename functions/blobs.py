"""Blob triggers: a dropped import manifest, an import whose files are all in quarantine."""

import logging
from typing import Any

import azure.functions as func

from functions.work import work
from shared.container import container
from shared.domain.instant import instant
from shared.signals import Facts
from shared.topology import CONTENT_CONNECTION

bp = func.Blueprint()
log = logging.getLogger(__name__)


@bp.blob_trigger(
    arg_name="blob",
    path="imports/{name}.importmanifest.json",
    connection=CONTENT_CONNECTION,
    source=func.BlobSource.EVENT_GRID,
)
async def import_dropped(blob: func.InputStream) -> None:
    """A publisher dropped an import manifest."""
    with work(container().telemetry, {"function": "import_dropped"}, is_change=True):
        await _import_dropped(blob)


async def _import_dropped(blob: func.InputStream) -> None:
    app = container()
    container_name, _, name = (blob.name or "").partition("/")
    properties: dict[str, Any] = dict(getattr(blob, "blob_properties", None) or {})
    etag = str(properties.get("ETag", ""))
    created = instant(str(properties.get("LastModified") or app.ports.clock.now()))
    first = name.partition("/")[0]
    instances = app.settings.instances
    if first not in instances and len(instances) > 1:
        await app.imports.operations.refuse_drop(name, instances)
        return
    instance = first if first in instances else next(iter(instances))
    identity = await app.imports.operations.start_from_drop(instance, name, etag, created)
    log.info("import %s of %s/%s", identity, container_name, name)


@bp.blob_trigger(
    arg_name="blob",
    path="quarantine/{instance}/{operation}/scan.json",
    connection=CONTENT_CONNECTION,
    source=func.BlobSource.EVENT_GRID,
)
async def scan_quarantined(blob: func.InputStream) -> None:
    """Scan the quarantined files of an import."""
    _, instance, operation, _ = (blob.name or "").split("/")
    facts: Facts = {
        "function": "scan_quarantined",
        "instance": instance,
        "operation": operation,
    }
    with work(container().telemetry, facts):
        await container().imports.scan.run(instance, operation)
