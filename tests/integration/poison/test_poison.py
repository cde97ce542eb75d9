"""What failed for good, in real queues and blobs."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from shared.adapters.blobs import AzureBlobs
from shared.adapters.poison_queues import AzurePoisonQueues
from shared.adapters.queues import AzureQueues
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.domain.errors import DependencyFailed, InvalidInput, NotFound
from shared.domain.operation import Failure, Operation, OperationStatus, Stage
from shared.services.maintenance.dead_letters import DeadLetters
from shared.services.maintenance.failure_notes import FailureNotes
from shared.services.maintenance.poison import Poison, PoisonItem, Replayed
from shared.settings import Connection
from shared.topology import QUEUES
from tests.azurite import start_azurite

NOW = "2024-05-01T12:00:00.000000+00:00"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Site:
    """A storage account with nothing in it but what a test puts there."""

    accounts: StorageAccounts
    blobs: AzureBlobs
    operations: TableOperations
    poison: Poison
    notes: FailureNotes

    async def put(self, queue: str, body: Mapping[str, Any] | str) -> None:
        content = body if isinstance(body, str) else base64.b64encode(json.dumps(body).encode())
        client = self.accounts.queues.get_queue_client(queue)
        text = content if isinstance(content, str) else content.decode()
        await client.send_message(text)

    async def bodies(self, queue: str) -> list[Any]:
        """Take every message of a queue."""
        client = self.accounts.queues.get_queue_client(queue)
        found = []
        async for message in client.receive_messages():
            found.append(json.loads(base64.b64decode(message.content)))
            await client.delete_message(message)
        return found

    async def operation(self, **changes: Any) -> str:
        identity = f"op{next(_numbers)}"
        status = changes.pop("status", OperationStatus.RUNNING)
        stage = changes.pop("stage", Stage.FETCH)
        operation = Operation(identity, "import", status, stage, NOW, NOW, "trace", **changes)
        await self.operations.add("factory", operation)
        return identity

    async def listed(self, place: str | None = None) -> list[PoisonItem]:
        return [item async for item in self.poison.list(place)]

    async def replayed(self, place: str | None = None) -> list[Replayed]:
        return [done async for done in self.poison.replay(place)]


@pytest.fixture(scope="module")
async def account(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StorageAccounts]:
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        connection = Connection(connection_string=azurite.connection_string)
        accounts = StorageAccounts(connection, connection, lambda: None)
        for container in ("imports", "quarantine", "deadletter"):
            await accounts.blobs.create_container(container)
        for queue in QUEUES:
            await accounts.queues.create_queue(queue)
        await accounts.tables.create_table("Operations")
        yield accounts
        await accounts.close()


@pytest.fixture
async def site(account: StorageAccounts) -> AsyncIterator[Site]:
    blobs = AzureBlobs(account, 1.0)
    operations = TableOperations(Table(account, "Operations"))
    notes = FailureNotes(blobs=blobs, clock=StoppedClock())
    poison = Poison(
        poison=AzurePoisonQueues(account),
        queues=AzureQueues(account),
        blobs=blobs,
        operations=operations,
        dead_letters=DeadLetters(blobs),
        notes=notes,
    )
    yield Site(account, blobs, operations, poison, notes)
    async for queue in account.queues.list_queues():
        await account.queues.get_queue_client(str(queue.name)).clear_messages()
    await blobs.delete_all("deadletter", "")


async def poison_queue(site: Site, name: str) -> None:
    """Make a poison queue as the host does, with its first message."""
    if name not in [str(queue.name) async for queue in site.accounts.queues.list_queues()]:
        await site.accounts.queues.create_queue(name)


async def test_nothing_is_listed_where_nothing_failed(site: Site) -> None:
    assert await site.listed() == []
    assert await site.replayed() == []


async def test_poisoned_fetch_is_explained_with_its_operation_and_last_error(site: Site) -> None:
    failure = Failure.of(DependencyFailed("The source is too slow.", code="SourceTooSlow"))
    identity = await site.operation(last_error=failure, tries=5)
    await poison_queue(site, "import-poison")
    await site.put("import-poison", {"instance": "factory", "operation": identity})

    (item,) = await site.listed("import")

    assert (item.place, item.what) == ("import", "fetch the files of an import")
    assert item.about == {
        "instance": "factory",
        "operation": identity,
        "status": "Running",
        "stage": "fetch",
    }
    assert item.reason == "SourceTooSlow: The source is too slow."
    assert not item.is_over
    assert item.at


async def test_replay_puts_a_message_back_unless_its_operation_is_over(site: Site) -> None:
    running = await site.operation()
    ended = await site.operation(status=OperationStatus.FAILED, stage=Stage.END)
    await poison_queue(site, "import-poison")
    for identity in (running, ended):
        await site.put("import-poison", {"instance": "factory", "operation": identity})

    assert await site.replayed("import-poison") == [Replayed("import", 1, 1)]

    assert await site.bodies("import") == [{"instance": "factory", "operation": running}]
    assert await site.listed() == []


async def test_devices_of_a_poisoned_message_are_named(site: Site) -> None:
    order = {"instance": "factory", "bucket": 17, "devices": ["d1"]}
    await poison_queue(site, "reconcile-poison")
    await site.put("reconcile-poison", order)

    (item,) = await site.listed()

    assert (item.place, item.about, item.reason) == ("reconcile", order, None)
    assert await site.replayed() == [Replayed("reconcile", 1, 0)]
    assert await site.bodies("reconcile") == [order]


async def test_message_that_is_none_of_ours_is_listed_all_the_same(site: Site) -> None:
    await poison_queue(site, "rollup-poison")
    await site.put("rollup-poison", "no base64!")

    (item,) = await site.listed("rollup")

    assert "not one of ours" in item.what


async def test_poisoned_scan_is_asked_for_again(site: Site) -> None:
    identity = await site.operation(stage=Stage.SCAN)
    name = f"factory/{identity}/scan.json"
    await site.blobs.write("quarantine", name, b"[]")
    before = await site.blobs.metadata("quarantine", name)
    await poison_queue(site, "webjobs-blobtrigger-poison")
    work = {"ContainerName": "quarantine", "BlobName": name, "FunctionId": "f", "ETag": "e"}
    await site.put("webjobs-blobtrigger-poison", work)

    (item,) = await site.listed("webjobs-blobtrigger-poison")
    done = await site.replayed("blobs")

    assert (item.what, item.about["operation"]) == ("scan the files of an import", identity)
    assert done == [Replayed("blobs", 1, 0)]
    after = await site.blobs.metadata("quarantine", name)
    assert before is not None
    assert after is not None
    assert before["etag"] != after["etag"]


async def test_poisoned_work_on_a_blob_that_is_gone_is_dropped(site: Site) -> None:
    await poison_queue(site, "webjobs-blobtrigger-poison")
    work = {"ContainerName": "imports", "BlobName": "a/it.importmanifest.json"}
    await site.put("webjobs-blobtrigger-poison", work)

    (item,) = await site.listed()

    assert item.about == {"blob": "imports/a/it.importmanifest.json"}
    assert await site.replayed() == [Replayed("blobs", 0, 1)]


async def test_event_that_was_given_up_is_explained_and_replayed(site: Site) -> None:
    facts = {
        "deadletterreason": "MaxDeliveryAttemptsExceeded",
        "deliveryattempts": 30,
        "lastdeliveryoutcome": "Unauthorized https://host/webhook?code=CANARY",
    }
    chunk = {"instance": "factory", "bucket": 3, "changes": []}
    changes = {
        "specversion": "1.0",
        "type": "OpenDeviceUpdate.TwinChanges",
        "subject": "devices",
        "time": NOW,
        "data": chunk,
    }
    plain = changes | facts | {"lastdeliveryoutcome": "NotFound"}
    drop = {
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": "/blobServices/default/containers/imports/blobs/a/it.importmanifest.json",
        "eventTime": NOW.partition(".")[0],
        "data": {},
    }
    letters = json.dumps([changes | facts, drop, plain]).encode()
    await site.blobs.write("deadletter", "TOPIC/SUB/1.json", letters)

    first, second, third = await site.listed("events")

    assert first.about == {"instance": "factory", "bucket": 3}
    assert first.reason is not None
    assert "MaxDeliveryAttemptsExceeded after 30 attempts" in first.reason
    assert "CANARY" not in first.reason
    assert third.reason is not None
    assert third.reason.endswith("NotFound")
    assert second.what == "start the import of a dropped manifest"
    assert second.at == NOW, "a time has an offset, also where its event says none"
    assert await site.poison.count("events") == 1
    assert await site.replayed("events") == [Replayed("events", 1, 0)]
    assert await site.bodies("replay") == [{"blob": "TOPIC/SUB/1.json"}]


async def test_letters_are_read_raised_again_and_removed(site: Site) -> None:
    letters = DeadLetters(site.blobs)
    await site.blobs.write("deadletter", "bad", b"{}")
    await site.blobs.write("deadletter", "good", b"[]")

    with pytest.raises(InvalidInput):
        await letters.read("bad")
    with pytest.raises(NotFound):
        await letters.raise_again("content", "x")
    assert await letters.read("gone") == await letters.read("good") == []
    assert not await letters.raise_again("imports", "gone")
    await letters.remove("good")
    await letters.remove("gone")

    assert await site.blobs.metadata("deadletter", "good") is None


async def test_unknown_queue_is_refused_with_the_names_there_are(site: Site) -> None:
    with pytest.raises(InvalidInput, match="import, scan, publish"):
        await site.listed("nowhere")


async def test_messages_of_one_cause_are_replayed_and_others_left(site: Site) -> None:
    slow = Failure.of(DependencyFailed("Too slow.", code="SourceTooSlow"))
    gone = Failure.of(NotFound("It is gone."))
    identities = [await site.operation(last_error=error, tries=5) for error in (slow, gone, slow)]
    await poison_queue(site, "import-poison")
    for identity in identities:
        await site.put("import-poison", {"instance": "factory", "operation": identity})

    def is_slow(item: PoisonItem) -> bool:
        return item.cause == "SourceTooSlow"

    done = [item async for item in site.poison.replay("import", is_slow)]

    assert done == [Replayed("import", 2, 0)]
    assert {body["operation"] for body in await site.bodies("import")} == {
        identities[0],
        identities[2],
    }
    (left,) = await site.listed("import")  # visible again, not hidden for a minute
    assert left.cause == "NotFound"


async def test_one_message_is_dropped_by_its_id(site: Site) -> None:
    await poison_queue(site, "fanout-poison")
    for name in ("one", "two"):
        body = {"instance": "factory", "group": "lobby", "deployment": name}
        await site.put("fanout-poison", body)
    first, second = await site.listed("fanout")

    async def drop() -> list[Replayed]:
        wanted = site.poison.replay(
            "fanout", lambda item: item.identity == second.identity, only_drops=True
        )
        return [item async for item in wanted]

    assert await drop() == [Replayed("fanout", 0, 1)]
    assert await drop() == []
    assert await site.listed("fanout") == [first]
    assert await site.bodies("fanout") == []
    assert first.instance == "factory"


async def test_many_of_a_cause_are_handled_in_steps(site: Site) -> None:
    poisoned = {"fanout": ["one", "two", "three"], "reconcile": ["four", "five"]}
    for queue, names in poisoned.items():
        await poison_queue(site, f"{queue}-poison")
        for name in names:
            body = {"instance": "factory", "group": "lobby", "deployment": name}
            await site.put(f"{queue}-poison", body)

    async def step() -> list[Replayed]:
        wanted = site.poison.replay(None, lambda item: item.about["deployment"] != "four", most=2)
        return [item async for item in wanted]

    assert await step() == [Replayed("fanout", 2, 0)]
    assert sum(done.replayed for done in await step()) == 2
    assert await step() == []
    (left,) = await site.listed()
    assert left.about["deployment"] == "four"
    again = [*await site.bodies("fanout"), *await site.bodies("reconcile")]
    assert {body["deployment"] for body in again} == {"one", "two", "three", "five"}


async def test_the_age_of_the_oldest_message_is_known(site: Site) -> None:
    queues = site.poison.poison

    assert await queues.oldest("import") is None
    await site.put("import", {"instance": "factory", "operation": "op"})
    oldest = await queues.oldest("import")

    assert oldest is not None
    assert oldest > NOW


class StoppedClock:
    """A clock that tells one time."""

    def now(self) -> str:
        return NOW

    def fresh_id(self) -> str:
        return "id"


async def test_message_without_an_operation_says_why_it_failed_until_it_is_dealt_with(
    site: Site,
) -> None:
    order = {"instance": "factory", "group": "pilot"}
    await poison_queue(site, "rollup-poison")
    await site.put("rollup-poison", order)
    body = json.dumps(order)
    await site.notes.write("rollup", body, DependencyFailed("The hub is away.", code="HubAway"))

    (item,) = await site.listed()
    assert (item.reason, item.cause) == ("HubAway: The hub is away.", "HubAway")
    await site.notes.write("rollup", body, KeyError("a secret"))
    (unexpected,) = await site.listed("rollup")
    assert unexpected.cause == "KeyError"
    assert "secret" not in f"{unexpected.reason}"
    assert await site.notes.read("reconcile", body) is None

    assert await site.replayed() == [Replayed("rollup", 1, 0)]
    assert await site.notes.read("rollup", body) is None
