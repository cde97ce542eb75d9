"""Rules of an import manifest that no schema can say: how its parts fit together.

Each check takes a document that may still be malformed and reports only what it can judge, so that
one answer lists the broken schema rules and the broken cross-references together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.domain.updates.schema_check import pointer, sha256_violation, violation
from shared.domain.updates.update_id import UpdateId, update_id_violations

if TYPE_CHECKING:
    from shared.domain.errors import InvalidInput

MICROSOFT_DELTA = "microsoft/delta:1"
OWN_DELTA = "opendu/zstd-delta:1"
"""What `zstd --patch-from` writes; the agent's own handler, and that of deltas made here."""
SOURCE_HASH = "microsoft.sourceFileHash"
SOURCE_HASH_ALGORITHM = "microsoft.sourceFileHashAlgorithm"

_V5_FIELDS = ("properties", "relatedFiles", "downloadHandler")

Json = Mapping[str, Any]


def cross_check(document: Json, *, max_total_bytes: int) -> list[InvalidInput]:
    """List how the parts of a manifest contradict each other."""
    checks: tuple[Callable[[Json], Iterator[InvalidInput]], ...] = (
        _update_ids,
        _file_names,
        _step_files,
        _version_fields,
        _related_files,
    )
    found = [broken for check in checks for broken in check(document)]
    total = sum(_size(file) for _, file in _payloads(document))
    if total > max_total_bytes:
        found.append(
            violation("/files", f"add up to {total} bytes; at most {max_total_bytes} are allowed")
        )
    return found


def _update_ids(document: Json) -> Iterator[InvalidInput]:
    own: object = document.get("updateId")
    if "updateId" in document:
        yield from update_id_violations(own, "/updateId")
    for at, step in _steps(document):
        if step.get("type") != "reference" or "updateId" not in step:
            continue
        broken = update_id_violations(step["updateId"], f"{at}/updateId")
        yield from broken
        if not broken and _same_update(own, step["updateId"]):
            yield violation(f"{at}/updateId", "refers to the update itself")


def _same_update(own: object, other: object) -> bool:
    return not update_id_violations(own) and UpdateId.parse(own) == UpdateId.parse(other)


def _file_names(document: Json) -> Iterator[InvalidInput]:
    seen: set[str] = set()
    for at, file in _payloads(document):
        name = file.get("filename")
        if not isinstance(name, str):
            continue
        if name.casefold() in seen:
            yield violation(
                f"{at}/filename", "is used twice (letter case does not tell files apart)"
            )
        seen.add(name.casefold())


def _step_files(document: Json) -> Iterator[InvalidInput]:
    known = {file.get("filename") for _, file in _objects(document.get("files"), "/files")}
    for at, step in _steps(document):
        seen: set[str] = set()
        for index, name in enumerate(_items(step.get("files"))):
            if not isinstance(name, str):
                continue
            if name not in known:
                yield violation(f"{at}/files/{index}", "names no entry of /files")
            if name in seen:
                yield violation(f"{at}/files/{index}", "is named twice in this step")
            seen.add(name)


def _version_fields(document: Json) -> Iterator[InvalidInput]:
    if document.get("manifestVersion") != "4.0":
        return
    for at, file in _objects(document.get("files"), "/files"):
        for field in _V5_FIELDS:
            if field in file:
                yield violation(f"{at}/{field}", 'needs "manifestVersion": "5.0"')


def _related_files(document: Json) -> Iterator[InvalidInput]:
    for at, file in _objects(document.get("files"), "/files"):
        related = list(_objects(file.get("relatedFiles"), f"{at}/relatedFiles"))
        handler = file.get("downloadHandler")
        if related and handler is None:
            yield violation(at, "has related files but no downloadHandler to use them")
        for where, each in related:
            if "relatedFiles" in each:
                yield violation(f"{where}/relatedFiles", "is not for files that are related ones")
        name = handler.get("id") if isinstance(handler, Mapping) else None
        if name in (MICROSOFT_DELTA, OWN_DELTA):
            for where, delta in related:
                yield from _delta_properties(where, delta, str(name))


def _delta_properties(at: str, delta: Json, handler: str) -> Iterator[InvalidInput]:
    properties = delta.get("properties")
    if not isinstance(properties, Mapping):
        properties = {}
    if properties.get(SOURCE_HASH_ALGORITHM) != "sha256":
        yield violation(
            f"{at}/properties{pointer(SOURCE_HASH_ALGORITHM)}",
            f'must be "sha256" for {handler}',
        )
    source_hash = properties.get(SOURCE_HASH)
    reason = sha256_violation(source_hash if isinstance(source_hash, str) else "")
    if reason:
        yield violation(f"{at}/properties{pointer(SOURCE_HASH)}", f"{reason} for {handler}")


def _payloads(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield every file and related file with its pointer."""
    for at, file in _objects(document.get("files"), "/files"):
        yield at, file
        yield from _objects(file.get("relatedFiles"), f"{at}/relatedFiles")


def _steps(document: Json) -> Iterator[tuple[str, Json]]:
    instructions = document.get("instructions")
    if isinstance(instructions, Mapping):
        yield from _objects(instructions.get("steps"), "/instructions/steps")


def _objects(value: object, at: str) -> Iterator[tuple[str, Json]]:
    for index, item in enumerate(_items(value)):
        if isinstance(item, Mapping):
            yield f"{at}/{index}", item


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _size(file: Json) -> int:
    size = file.get("sizeInBytes")
    return int(size) if isinstance(size, int | float) and not isinstance(size, bool) else 0
