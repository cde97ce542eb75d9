"""Import manifests and requests for the tests of this folder."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any


def sha256_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def a_file(filename: str = "apply.sh", size: int = 32, **more: Any) -> dict[str, Any]:
    return {
        "filename": filename,
        "sizeInBytes": size,
        "hashes": {"sha256": sha256_of(filename)},
        **more,
    }


def a_manifest(**changes: Any) -> dict[str, Any]:
    manifest = {
        "manifestVersion": "4.0",
        "updateId": {"provider": "acme", "name": "kiosk-config", "version": "1.2"},
        "compatibility": [{"manufacturer": "acme", "model": "kiosk"}],
        "instructions": {
            "steps": [
                {
                    "handler": "microsoft/script:1",
                    "files": ["apply.sh"],
                    "handlerProperties": {"installedCriteria": "1.2"},
                }
            ]
        },
        "files": [a_file()],
        "createdDateTime": "2024-01-15T08:00:00Z",
    }
    return {**manifest, **changes}


def a_delta_manifest() -> dict[str, Any]:
    delta = a_file(
        "v1-v2.diff",
        properties={
            "microsoft.sourceFileHash": sha256_of("image v1"),
            "microsoft.sourceFileHashAlgorithm": "sha256",
        },
    )
    target = a_file(
        relatedFiles=[delta],
        downloadHandler={"id": "microsoft/delta:1"},
        properties={"role": "image"},
    )
    return a_manifest(manifestVersion="5.0", files=[target])


def a_request_item(**changes: Any) -> dict[str, Any]:
    item = {
        "importManifest": {
            "url": "https://acme.example/m.json?sig=CANARY",
            "sizeInBytes": 512,
            "hashes": {"sha256": sha256_of("manifest")},
        },
        "friendlyName": "Kiosk config 1.2",
        "files": [{"filename": "apply.sh", "url": "https://acme.example/apply.sh?sig=CANARY"}],
    }
    return {**item, **changes}


def as_bytes(document: object) -> bytes:
    return json.dumps(document).encode()
