"""REST: updates, their files, and the operations that import, delete and scan them."""

from dataclasses import replace
from http import HTTPStatus

from functions.api import RETRY, Api, Call, Reply, accepted
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.domain.updates.update import Update
from shared.domain.updates.update_filter import words_of
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.filters import (
    UPDATE_FILTERS,
    is_deployable_of,
    is_newest_import_first,
    is_running_of,
    update_filter,
)
from shared.http.import_request import parse_import_request
from shared.http.route import TOP, QueryParameter, filter_by, order_by
from shared.ports import Page, Stored

api = Api()

_UPDATE = "updates/providers/{provider}/names/{name}/versions/{version}"
_UNKNOWN = (HTTPStatus.NOT_FOUND,)


@api.operation(
    "POST",
    "updates:import",
    Action.UPDATES_WRITE,
    status=HTTPStatus.ACCEPTED,
    body=list[models.ImportUpdateInputItem],
    is_long_running=True,
)
async def import_update(call: Call) -> Reply[None]:
    """Start the import of one update, or of a parent and the children it refers to."""
    items = parse_import_request(call.json())
    identity = await call.app.imports.operations.start(
        call.instance, items, call.app.ports.clock.fresh_id()
    )
    return accepted(call, "updates", "operations", identity)


@api.operation(
    "GET",
    "updates",
    Action.UPDATES_READ,
    query=(
        filter_by(*UPDATE_FILTERS, "several joined by `and`"),
        QueryParameter("search", "Words to find in ids, friendly names and descriptions."),
        order_by("importedDateTime"),
    ),
    is_paged=True,
)
async def list_updates(call: Call) -> models.Page[models.Update]:
    """List updates, by provider and name or by their import."""
    page = await call.app.updates.lists.page(
        call.instance,
        replace(update_filter(call.query("filter")), words=words_of(call.query("search"))),
        is_newest_first=is_newest_import_first(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.update(item) for item in page.items], page)


@api.operation(
    "GET",
    _UPDATE,
    Action.UPDATES_READ,
    statuses=_UNKNOWN,
    is_conditional=True,
)
async def get_update(call: Call) -> models.Update:
    """Read an update."""
    return wire.update(await _stored(call))


@api.operation(
    "DELETE",
    "updates/providers/{provider}/names/{name}/versions/{version}",
    Action.UPDATES_DELETE,
    status=HTTPStatus.ACCEPTED,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_long_running=True,
)
async def delete_update(call: Call) -> Reply[None]:
    """Start the deletion of an update that nothing needs any more."""
    identity = await call.app.updates.deletion.start(
        call.instance, call.update_id(), call.app.ports.clock.fresh_id()
    )
    return accepted(call, "updates", "operations", identity)


@api.operation(
    "POST",
    "updates/providers/{provider}/names/{name}/versions/{version}:recall",
    Action.UPDATES_WRITE,
    body=models.RecallInput,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def recall_update(call: Call) -> models.Update:
    """Take an update back: no new deployments, running ones are cancelled. Additional."""
    reason = call.body(models.RecallInput).reason
    update_id = UpdateId(call.part("provider"), call.part("name"), call.part("version"))
    return wire.update(await call.app.updates.recalls.start(call.instance, update_id, reason))


@api.operation(
    "POST",
    _UPDATE + ":makeDelta",
    Action.UPDATES_WRITE,
    status=HTTPStatus.ACCEPTED,
    body=models.DeltaInput,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_long_running=True,
    is_additional=True,
)
async def make_delta(call: Call) -> Reply[None]:
    """Make deltas for an update's files from an older version of it, and sign it anew. Additional.

    A delta is made where it saves at least 40 % of a file of at most 128 MiB; the operation says of
    each file what came of it, and fails if there is none for any.
    """
    source = call.body(models.DeltaInput).source_version
    update_id = UpdateId(call.part("provider"), call.part("name"), call.part("version"))
    identity = await call.app.imports.deltas.start(
        call.instance, update_id, source, call.app.ports.clock.fresh_id()
    )
    return accepted(call, "updates", "operations", identity)


@api.operation(
    "POST",
    "updates:scan",
    Action.UPDATES_WRITE,
    status=HTTPStatus.ACCEPTED,
    is_long_running=True,
    is_additional=True,
)
async def scan_updates(call: Call) -> Reply[None]:
    """Scan what is published again; what is found bad is recalled. Additional."""
    identity = await call.app.scanning.rescan.start(call.instance, call.app.ports.clock.fresh_id())
    return accepted(call, "updates", "operations", identity)


@api.operation("GET", "updates/providers", Action.UPDATES_READ, is_paged=True)
async def list_providers(call: Call) -> models.Page[str]:
    """List the providers of updates."""
    return await _names(call)


@api.operation(
    "GET",
    "updates/providers/{provider}/names",
    Action.UPDATES_READ,
    statuses=_UNKNOWN,
    is_paged=True,
)
async def list_names(call: Call) -> models.Page[str]:
    """List the names of a provider's updates."""
    return await _names(call, call.part("provider"))


@api.operation(
    "GET",
    "updates/providers/{provider}/names/{name}/versions",
    Action.UPDATES_READ,
    query=(filter_by("isDeployable eq true", "isDeployable eq false"),),
    statuses=_UNKNOWN,
    is_paged=True,
)
async def list_versions(call: Call) -> models.Page[str]:
    """List the versions of an update."""
    provider, name = call.part("provider"), call.part("name")
    is_deployable, token = is_deployable_of(call.query("filter")), call.page_token()
    updates = call.app.ports.updates
    page = await updates.versions(
        call.instance,
        provider,
        name,
        is_deployable=is_deployable,
        token=token,
        size=call.page_size(),
    )
    if not page.items and token is None:
        known = await updates.versions(call.instance, provider, name, size=1)
        if not known.items:
            raise NotFound(f"There are no updates of '{provider}' '{name}'.", target="name")
    return call.page(list(page.items), page)


@api.operation(
    "GET",
    _UPDATE + "/files",
    Action.UPDATES_READ,
    statuses=_UNKNOWN,
)
async def list_files(call: Call) -> models.Page[str]:
    """List the ids of an update's files."""
    stored = await _stored(call)
    return models.Page([file.file_id for file in stored.value.files])


@api.operation(
    "GET",
    _UPDATE + "/files/{fileId}",
    Action.UPDATES_READ,
    statuses=_UNKNOWN,
    is_conditional=True,
)
async def get_file(call: Call) -> models.UpdateFile:
    """Read what is known of a file."""
    stored = await _stored(call)
    for file in stored.value.files:
        if file.file_id == call.part("fileId"):
            return wire.update_file(file, wire.etag(stored))
    raise NotFound(f"The update has no file '{call.part('fileId')}'.", target="fileId")


@api.operation(
    "GET",
    "updates/operations",
    Action.UPDATES_READ,
    query=(filter_by("status eq 'NotStarted' or status eq 'Running'"), TOP),
    is_paged=True,
)
async def list_update_operations(call: Call) -> models.Page[models.Operation]:
    """List import operations, newest first."""
    page = await call.app.ports.operations.list(
        call.instance,
        call.page_token(),
        size=call.page_size(),
        kind="import",
        is_running=is_running_of(call.query("filter")),
    )
    items = [wire.operation(call.instance, item, call.api_version) for item in page.items]
    return call.page(items, page)


@api.operation(
    "GET",
    "updates/operations/{operationId}",
    Action.UPDATES_READ,
    statuses=_UNKNOWN,
    is_conditional=True,
)
async def get_update_operation(call: Call) -> Reply[models.Operation]:
    """Read how an import is doing."""
    identity = call.part("operationId")
    stored = await call.app.ports.operations.get(call.instance, identity)
    if stored is None or stored.value.kind not in ("import", "delete", "rescan", "delta"):
        raise NotFound(f"Operation '{identity}' does not exist.", target="operationId")
    return Reply(wire.operation(call.instance, stored, call.api_version), RETRY)


async def _stored(call: Call) -> Stored[Update]:
    update_id = call.update_id()
    stored = await call.app.ports.updates.get(call.instance, update_id)
    if stored is None:
        raise NotFound(f"Update '{update_id}' does not exist.", target="version")
    return stored


async def _names(call: Call, provider: str | None = None) -> models.Page[str]:
    """A page of the providers, or of a provider's names; its token is the last one before."""
    after, size = call.page_token(), call.page_size()
    found = await call.app.ports.updates.names(call.instance, provider, after=after, size=size + 1)
    if provider is not None and not found and after is None:
        raise NotFound(f"There are no updates of '{provider}'.", target="provider")
    items = list(found[:size])
    return call.page(items, Page(items, items[-1] if len(found) > size else None))
