from __future__ import annotations

import base64
import json

from shared import messages
from shared.adapters.queues import AzureQueues
from shared.adapters.storage import StorageAccounts


async def test_message_arrives_as_base64_json(
    queues: AzureQueues, accounts: StorageAccounts, instance: str
) -> None:
    order = messages.Reconcile(instance=instance, devices=["ä", "b"], bucket=5)

    await queues.put(order)

    client = accounts.queues.get_queue_client("reconcile")
    found = [message async for message in client.receive_messages(messages_per_page=32)]
    bodies = [json.loads(base64.b64decode(message.content)) for message in found]
    assert {"instance": instance, "devices": ["ä", "b"], "bucket": 5} in bodies
    assert all(message.expires_on.year > 9000 for message in found)


async def test_message_stays_hidden_for_its_delay(
    queues: AzureQueues, accounts: StorageAccounts, instance: str
) -> None:
    await queues.put(
        messages.FanOut(instance=instance, group="g", deployment="d"), delay_seconds=3600
    )

    client = accounts.queues.get_queue_client("fanout")
    visible = [message async for message in client.receive_messages()]
    properties = await client.get_queue_properties()

    assert visible == []
    assert properties.approximate_message_count == 1
