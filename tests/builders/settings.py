"""Builders and looks that tests of settings share."""

from __future__ import annotations

import json

SECRETS = {
    "STATE": "AccountKey=canary",
    "HUB": "SharedAccessKey=canary",
    "EVENTS_TOPIC_KEY": "canary-key",
    "SOURCE_URL_KEY": "canary-seal",
}


def environment(**changes: str | None) -> dict[str, str]:
    given: dict[str, str | None] = {
        **SECRETS,
        "CONTENT__blobServiceUri": "https://content.blob.example",
        "INSTANCES": json.dumps(
            [
                {"id": "factory", "iotHub": "hub.example:443", "connectionSetting": "HUB"},
                {
                    "id": "shop",
                    "iotHub": "shop.azure-devices.example",
                    "hubName": "shop-hub",
                    "diagnosticsContainer": "shop-logs",
                },
            ]
        ),
        "TOKEN_ISSUER": "https://issuer.example",
        "TOKEN_AUDIENCE": "api",
        "TOKEN_TENANT": "tenant",
        "TOKEN_JWKS_URI": "https://issuer.example/keys",
        "EVENTS_TOPIC_ENDPOINT": "https://topic.example",
        "SIGNING_DIRECTORY": "/keys",
        "PUBLIC_URL": "https://du.example/",
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}
