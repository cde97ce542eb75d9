"""What a stopped stack has kept, as text: written down by one release, brought to life by another.

A recording is a folder of JSON lines in the order of their keys:

* `tables.jsonl`: rows,
* `blobs.jsonl`: blobs, as text where they are text, else base64,
* `messages.jsonl`: messages of queues, those of poison queues included,
* `twins.jsonl`: identities and twins of each instance's hub,
* `answers.jsonl`: what REST answered last, by instance and path,
* `keys.json`: the keys that the store depends on. They were made for it and are used nowhere else.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.cloud.iothub.records import Identity, Key, Record, insert, scan
from local.cloud.iothub.store import Store
from local.cloud.iothub.twin import Twin
from local.stack.azurite import ACCOUNT
from local.stack.credentials import Credentials
from local.stack.parts import diagnostics_container, hub_part
from local.stack.provision import provision
from shared.topology import CONTAINERS, QUEUES, TABLES
from tests.azurite import start_azurite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

type Line = dict[str, Any]

INSTANCES = ("local", "second")
CREDENTIALS = "credentials.json"
_STORAGE_KEY = base64.b64encode(b"azurite").decode()
_LATER_SECONDS = 3600


class Recording(msgspec.Struct):
    """The contents of a store."""

    tables: list[Line]
    blobs: list[Line]
    messages: list[Line]
    twins: list[Line]
    answers: list[Line]
    keys: Line

    def __repr__(self) -> str:
        """Keep failures of tests short."""
        return f"Recording({len(self.tables)} rows)"

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a recording."""
        parts = {
            name: [json.loads(line) for line in _path(folder, name).read_text().splitlines()]
            for name in _LINES
        }
        return cls(**parts, keys=json.loads((folder / "keys.json").read_text()))

    def write(self, folder: Path) -> None:
        """Write it down, over an earlier one."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _LINES:
            lines = sorted(json.dumps(line, sort_keys=True) for line in getattr(self, name))
            _path(folder, name).write_text("".join(line + "\n" for line in lines))
        (folder / "keys.json").write_text(json.dumps(self.keys, indent=1, sort_keys=True) + "\n")


_LINES = ("tables", "blobs", "messages", "twins", "answers")


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


async def recorded(state: Path, answers: list[Line]) -> Recording:
    """What a stack that has stopped has left in its state directory."""
    async with _storage(state) as connection:
        return Recording(
            tables=await _rows(connection),
            blobs=await _blobs(connection),
            messages=_messages(state),
            twins=[line for instance in INSTANCES for line in _twins(state, instance)],
            answers=answers,
            keys=_keys(state),
        )


async def bring_back(recording: Recording, state: Path) -> None:
    """Make a state directory in which a stack finds what was recorded when it starts."""
    credentials = Credentials(source_url=recording.keys["source_url"])
    (state / CREDENTIALS).write_bytes(msgspec.json.encode(credentials))
    for name, text in recording.keys["files"].items():
        path = state / "keys" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    for instance in INSTANCES:
        store = Store(state / hub_part(instance))
        for line in recording.twins:
            if line["instance"] == instance:
                record = _record(line)
                await store.write(lambda tx, record=record: insert(tx, record))  # type: ignore[misc]
        await store.close()
    async with _storage(state) as connection:
        provision(connection, map(diagnostics_container, INSTANCES))
        await _put_rows(connection, recording.tables)
        await _put_blobs(connection, recording.blobs)
        await _put_messages(connection, recording.messages)


@asynccontextmanager
async def _storage(state: Path) -> AsyncIterator[str]:
    """The storage of a state directory without the rest of its stack."""
    folder = state / "azurite"
    async with start_azurite(state, account=(ACCOUNT, _STORAGE_KEY), kept_in=folder) as azurite:
        yield azurite.connection_string


async def _rows(connection: str) -> list[Line]:
    found = []
    async with TableServiceClient.from_connection_string(connection) as tables:
        for table in TABLES:
            async for row in tables.get_table_client(table).list_entities():
                for value in row.values():
                    assert isinstance(value, str | int | bool), (table, row)
                found.append({"table": table, **row})
    return found


async def _put_rows(connection: str, rows: Iterable[Line]) -> None:
    async with TableServiceClient.from_connection_string(connection) as tables:
        for row in rows:
            table, entity = row["table"], {key: row[key] for key in row if key != "table"}
            await tables.get_table_client(table).create_entity(entity)


async def _blobs(connection: str) -> list[Line]:
    found = []
    async with BlobServiceClient.from_connection_string(connection) as service:
        for container in (*CONTAINERS, *map(diagnostics_container, INSTANCES[1:])):
            client = service.get_container_client(container)
            async for blob in client.list_blobs(include=["metadata"]):
                content = await (await client.download_blob(blob.name)).readall()
                metadata = dict(blob.metadata or {})
                line = {"container": container, "name": blob.name, "metadata": metadata}
                found.append({**line, **_as_text(content)})
    return found


async def _put_blobs(connection: str, blobs: Iterable[Line]) -> None:
    async with BlobServiceClient.from_connection_string(connection) as service:
        for blob in blobs:
            client = service.get_blob_client(blob["container"], blob["name"])
            await client.upload_blob(_from_text(blob), metadata=blob["metadata"])


def _messages(state: Path) -> list[Line]:
    """Every message, read from Azurite's own files: those for later cannot be received."""
    found = []
    database = json.loads((state / "azurite/__azurite_db_queue__.json").read_text())
    (messages,) = (one for one in database["collections"] if one["name"] == "$MESSAGES_COLLECTION$")
    for message in messages["data"]:
        name, place = message["queueName"], message["persistency"]
        if name.removesuffix("-poison") not in QUEUES:
            continue
        content = (state / "azurite/__queuestorage__" / place["id"]).read_bytes()
        text = content[place["offset"] :][: place["count"]]
        found.append(
            {
                "queue": name,
                "body": base64.b64decode(text, validate=True).decode(),
                "is_for_later": _delay(message) > _LATER_SECONDS,
            }
        )
    return found


def _delay(message: Mapping[str, Any]) -> float:
    """Seconds from a message's sending to its becoming visible, by its fields in Azurite."""
    sent = datetime.fromisoformat(message["insertionTime"]).timestamp()
    return float(message["timeNextVisible"] / 1000 - sent)


async def _put_messages(connection: str, messages: Iterable[Line]) -> None:
    async with QueueServiceClient.from_connection_string(connection) as service:
        names = {item.name async for item in service.list_queues()}
        for message in messages:
            client = service.get_queue_client(message["queue"])
            if client.queue_name not in names:
                await client.create_queue()
                names.add(client.queue_name)
            await client.send_message(
                base64.b64encode(message["body"].encode()).decode(),
                visibility_timeout=_LATER_SECONDS if message["is_for_later"] else None,
            )


def _twins(state: Path, instance: str) -> list[Line]:
    database = state / hub_part(instance) / "iothub.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        records = [
            record
            for modules in (False, True)
            for record in scan(connection, Key(""), modules=modules)
        ]
    return [
        {
            "instance": instance,
            "device": record.key.device_id,
            "module": record.key.module_id,
            "identity": msgspec.to_builtins(record.identity),
            "twin": msgspec.to_builtins(record.twin),
        }
        for record in records
    ]


def _record(line: Mapping[str, Any]) -> Record:
    return Record(
        Key(line["device"], line["module"]),
        msgspec.convert(line["identity"], Identity),
        msgspec.convert(line["twin"], Twin),
    )


def _keys(state: Path) -> Line:
    credentials = msgspec.json.decode((state / CREDENTIALS).read_bytes(), type=Credentials)
    folder = state / "keys"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        "source_url": credentials.source_url,
        "files": {str(path.relative_to(folder)): path.read_text() for path in files},
    }


def _as_text(content: bytes) -> Line:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _from_text(line: Mapping[str, Any]) -> bytes:
    text: str | None = line.get("text")
    return base64.b64decode(line["base64"]) if text is None else text.encode()


def of_instance(lines: Sequence[Line], instance: str) -> list[Line]:
    """The lines about one instance."""
    return [line for line in lines if line["instance"] == instance]
