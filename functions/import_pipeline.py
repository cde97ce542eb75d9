"""Triggers that carry an import from stage to stage."""

import logging
from typing import Any

import azure.functions as func

from shared.container import container
from shared.domain.instant import instant
from shared.topology import CONTENT_CONNECTION, STATE_CONNECTION

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
    app = container()
    container_name, _, name = (blob.name or "").partition("/")
    properties: dict[str, Any] = dict(getattr(blob, "blob_properties", None) or {})
    etag = str(properties.get("ETag", ""))
    created = instant(str(properties.get("LastModified") or app.clock.now()))
    first = name.partition("/")[0]
    instances = app.settings.instances
    instance = first if first in instances else next(iter(instances))
    identity = await app.imports.start_from_drop(instance, name, etag, created)
    log.info("import %s of %s/%s", identity, container_name, name)


@bp.queue_trigger(arg_name="message", queue_name="import", connection=STATE_CONNECTION)
async def fetch_import(message: func.QueueMessage) -> None:
    """Fetch what an import names into quarantine."""
    order = message.get_json()
    await container().import_fetch.run(order["instance"], order["operation"])


@bp.blob_trigger(
    arg_name="blob",
    path="quarantine/{instance}/{operation}/scan.json",
    connection=CONTENT_CONNECTION,
    source=func.BlobSource.EVENT_GRID,
)
async def scan_quarantined(blob: func.InputStream) -> None:
    """Scan the quarantined files of an import."""
    _, instance, operation, _ = (blob.name or "").split("/")
    await container().import_scan.run(instance, operation)


@bp.queue_trigger(arg_name="message", queue_name="publish", connection=STATE_CONNECTION)
async def publish_import(message: func.QueueMessage) -> None:
    """Publish what was scanned."""
    order = message.get_json()
    await container().import_publish.run(order["instance"], order["operation"])
