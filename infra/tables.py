"""Back up the tables of the state account into a folder, and restore them from it.

    python infra/tables.py backup https://ACCOUNT.table.core.windows.net FOLDER
    python infra/tables.py restore https://ACCOUNT.table.core.windows.net FOLDER

A row is a line of JSON with the type of each value. Rows are read and written one after another, so
that memory does not grow with the fleet. With a connection string in STATE, as the local stack has
it, the address is not used.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableServiceClient, UpdateMode
from azure.identity import DefaultAzureCredential

TABLES: list[str] = json.loads(Path(__file__).with_name("stores.json").read_text())["state"][
    "tables"
]
_ROWS_A_CALL = 100
"""Most that one transaction takes; all of one partition.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""
_BYTES_A_CALL = 2_000_000
"""Half of the 4 MiB that it may have."""
_SUMMARY = "tables.json"


class Refused(Exception):
    """A backup that is not whole, or a place that is not empty."""


def back_up(service: TableServiceClient, folder: Path) -> dict[str, int]:
    """Write every table into a file of its own, and how many rows each has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _SUMMARY).unlink(missing_ok=True)
    counts = {}
    for name in TABLES:
        counts[name] = 0
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in _rows(service, name):
                file.write(json.dumps({key: _typed(value) for key, value in row.items()}) + "\n")
                counts[name] += 1
    # last, so that a backup that was broken off is not taken for a whole one
    (folder / _SUMMARY).write_text(json.dumps(counts), encoding="utf-8")
    return counts


def restore(service: TableServiceClient, folder: Path) -> dict[str, int]:
    """Write every row back.

    Raises:
        Refused: The backup is not whole, or a table has rows already.
    """
    try:
        counts: dict[str, int] = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{folder} has no whole backup: {_SUMMARY} is not there") from None
    for name, count in counts.items():
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            if sum(1 for _ in file) != count:
                raise Refused(f"{name}.jsonl has not the {count} rows that {_SUMMARY} tells")
        if next(_rows(service, name), None) is not None:
            raise Refused(f"the table {name} has rows already: restore into an empty account")
    for name in counts:
        service.create_table_if_not_exists(name)
        with service.get_table_client(name) as table:
            for rows in _together(folder / f"{name}.jsonl"):
                table.submit_transaction(
                    [("upsert", row, {"mode": UpdateMode.REPLACE}) for row in rows]
                )
    return counts


def _rows(service: TableServiceClient, name: str) -> Iterator[Mapping[str, Any]]:
    with service.get_table_client(name) as table:
        try:
            yield from table.list_entities()
        except ResourceNotFoundError:
            return


def _together(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file, as many at once as one call takes."""
    rows: list[dict[str, Any]] = []
    size = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = {key: _untyped(*value) for key, value in json.loads(line).items()}
            is_full = len(rows) == _ROWS_A_CALL or size + len(line) > _BYTES_A_CALL
            if rows and (is_full or row["PartitionKey"] != rows[0]["PartitionKey"]):
                yield rows
                rows, size = [], 0
            rows.append(row)
            size += len(line)
    if rows:
        yield rows


def _typed(value: Any) -> tuple[str, Any]:
    if isinstance(value, EntityProperty):
        return EdmType(value.edm_type).value, str(value.value)
    if isinstance(value, datetime):
        # what the service said, which is finer than a datetime
        said = getattr(value, "tables_service_value", None)
        return EdmType.DATETIME.value, said or value.isoformat()
    if isinstance(value, bytes):
        return EdmType.BINARY.value, base64.b64encode(value).decode()
    if isinstance(value, UUID):
        return EdmType.GUID.value, str(value)
    for kind, edm in ((bool, EdmType.BOOLEAN), (int, EdmType.INT32), (float, EdmType.DOUBLE)):
        if isinstance(value, kind):
            return edm.value, value
    return EdmType.STRING.value, value


def _untyped(kind: str, value: Any) -> Any:
    if kind == EdmType.INT64.value:
        return EntityProperty(int(value), EdmType.INT64)
    if kind == EdmType.DATETIME.value:
        return EntityProperty(value, EdmType.DATETIME)
    if kind == EdmType.BINARY.value:
        return base64.b64decode(value)
    return UUID(value) if kind == EdmType.GUID.value else value


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["backup", "restore"])
    parser.add_argument("address", help="endpoint of the tables of the state account")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    connection = os.environ.get("STATE")
    service = (
        TableServiceClient.from_connection_string(connection)
        if connection
        else TableServiceClient(given.address, credential=DefaultAzureCredential())
    )
    try:
        with service:
            counts = (back_up if given.action == "backup" else restore)(service, given.folder)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{sum(counts.values()):,} rows of {len(counts)} tables\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
