"""App settings for services over ports in memory."""

from __future__ import annotations

from typing import Any

from shared.settings import Connection, InstanceSettings, Settings, TokenSettings

INSTANCE = "factory"


def the_settings(**changes: Any) -> Settings:
    """Settings of one instance, fast, with a topic for customers."""
    given: dict[str, Any] = {
        "state": Connection("memory"),
        "content": Connection("memory"),
        "instances": {INSTANCE: InstanceSettings(INSTANCE, "hub.example", "hub")},
        "tokens": TokenSettings("https://issuer.example", "api://odu", "tenant", "https://keys"),
        "events_endpoint": "https://events.example",
        "events_key": None,
        "customer_topic_endpoint": "https://customers.example",
        "customer_topic_key": None,
        "signing_directory": None,
        "signing_vault_url": "https://vault.example",
        "source_url_key": "",
        "public_url": "https://du.example",
        "console_authority": "https://issuer.example",
        "rollup_delay_seconds": 0.0,
        "reads_shared_seconds": 0.0,
        "hub_commands_per_second": 100_000.0,
        "hub_reads_per_second": 100_000.0,
        **changes,
    }
    return Settings(**given)
