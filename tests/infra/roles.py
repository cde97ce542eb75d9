"""Built-in roles of Azure, and which of them each identity needs, for what.

The roles of the app on containers are read from the program, see `blob_use`.

The ids are those of https://learn.microsoft.com/azure/role-based-access-control/built-in-roles.
"""

from __future__ import annotations

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
    "a638d3c7-ab3a-418d-83e6-5f17a39d4fde": "Azure Event Hubs Data Receiver",
    "2b629674-e913-4c01-ae53-ef4638d8f975": "Azure Event Hubs Data Sender",
    "494bdba2-168f-4f31-a0a1-191d2f7c028c": "IoT Hub Twin Contributor",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

NEEDED = {
    # the host: locks, checkpoints, receipts, the package; it makes containers itself
    ("app", "Storage Blob Data Owner", "state"),
    # queue triggers, their poison queues and shared.adapters.queues
    ("app", "Storage Queue Data Contributor", "state"),
    # shared.adapters.table and the host's diagnostic events
    ("app", "Storage Table Data Contributor", "state"),
    # shared.adapters.blobs: links for devices
    ("app", "Storage Blob Delegator", "content"),
    # the poison queue of blob triggers
    ("app", "Storage Queue Data Contributor", "content"),
    # relay_twin_changes
    ("app", "Azure Event Hubs Data Receiver", "evh-/twins"),
    # shared.adapters.events
    ("app", "EventGrid Data Sender", "evgt-"),
    # shared.adapters.hub: get, query and patch twins
    ("app", "IoT Hub Twin Contributor", "iot-"),
    # shared.adapters.vault
    ("app", "Key Vault Crypto User", "kv-/update-signing"),
    # SOURCE_URL_KEY
    ("app", "Key Vault Secrets User", "kv-"),
    # telemetry without a key
    ("app", "Monitoring Metrics Publisher", "appi-"),
    # the route to Event Hubs
    ("hub", "Azure Event Hubs Data Sender", "evh-/twins"),
    # the same in a private network
    ("hub's system identity", "Azure Event Hubs Data Sender", "evh-/twins"),
    # dead letters
    ("events", "Storage Blob Data Contributor", "content/deadletter"),
}

CUSTOMERS_NEEDED = {
    # shared.adapters.events
    ("app", "EventGrid Data Sender", "evgt-customers-"),
}

OPERATOR_NEEDED = {
    # ./odu keys --azure
    ("operator", "Key Vault Crypto Officer", "kv-"),
    ("operator", "Storage Blob Data Contributor", "content/manifests"),
    ("operator", "Storage Queue Data Message Sender", "state/resign"),
    # a new version of the secret that seals the URLs of sources
    ("operator", "Key Vault Secrets Officer", "kv-"),
    # YARA rules in the place of the shipped ones
    ("operator", "Storage Blob Data Contributor", "content/rules"),
    # updates dropped as files
    ("operator", "Storage Blob Data Contributor", "content/imports"),
}
