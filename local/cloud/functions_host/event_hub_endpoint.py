"""Where an event hub is, and the signatures that open it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from local.cloud.functions_host.errors import StartError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an event hub is and the key to it."""

    host: str
    port: int
    key_name: str
    key: bytes = field(repr=False)

    def authorization(self, event_hub: str, expires: int) -> str:
        """Return a shared access signature for an event hub, valid until a Unix time."""
        resource = quote(f"{self.host}:{self.port}/{event_hub}", safe="")
        text = f"{resource}\n{expires}".encode()
        signature = base64.b64encode(hmac.digest(self.key, text, hashlib.sha256)).decode()
        return (
            f"SharedAccessSignature sr={resource}&sig={quote(signature, safe='')}"
            f"&se={expires}&skn={quote(self.key_name, safe='')}"
        )


def parse_endpoint(text: str) -> Endpoint:
    """Read an Event Hubs connection string; what is missing from it is a `StartError`."""
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part)
    try:
        address = urlsplit(parts["Endpoint"])
        if not address.hostname:
            raise StartError("the Endpoint of an Event Hubs connection string names no host")
        return Endpoint(
            host=address.hostname,
            port=address.port or 443,
            key_name=parts["SharedAccessKeyName"],
            key=base64.b64decode(parts["SharedAccessKey"], validate=True),
        )
    except KeyError as error:
        raise StartError(f"an Event Hubs connection string needs {error.args[0]}") from error
    except ValueError as error:
        raise StartError("an Event Hubs connection string has a bad port or key") from error
