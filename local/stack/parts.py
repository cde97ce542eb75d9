"""The Python parts of the stack: their command lines, and the settings that tie them together."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.identity.tokens import LOCAL_TENANT, issuer_of
from local.stack.child import Part
from local.stack.keys import SIGNING

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from local.stack.certificates import ServerCertificate
    from local.stack.credentials import Credentials
    from local.stack.state import StateDirectory

REPOSITORY = Path(__file__).parents[2]
SERVERS = ("identity", "eventgrid", "iothub", "host")
HUB_NAME = "odu-local"
INSTANCE = "local"
IMPORT_DROP_CONTAINER = "imports"
TOKEN_AUDIENCE = "https://api.adu.microsoft.com/"  # noqa: S105 (the API's name, no secret)
EVENT_GRID_TIME_SCALE = 0.05
"""Retries of Event Grid come after seconds, not minutes."""
QUEUE_LEASE_SECONDS = 15
HUB_COMMANDS_PER_SECOND = 200


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose: the hub's tier and size, and whether its throttles are on."""

    sku: str = "S1"
    units: int = 1
    throttle: bool = False
    port: int | None = None
    """Port of the REST API."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything of one stack that is fixed before its first part starts."""

    state: StateDirectory
    options: Options
    credentials: Credentials
    certificate: ServerCertificate
    sockets: Mapping[str, socket.socket]
    parts_lock: int
    """Descriptor of the lock that every part inherits."""
    group: int
    """Process group of the parts."""

    def port(self, server: str) -> int:
        """Return the port of one of `SERVERS`."""
        port: int = self.sockets[server].getsockname()[1]
        return port

    def url(self, server: str) -> str:
        """Return the base URL of one of `SERVERS`, without a slash at its end."""
        return f"https://localhost:{self.port(server)}"

    @property
    def topic_endpoint(self) -> str:
        """Where the service publishes its own events."""
        return f"{self.url('eventgrid')}/topics/topic/api/events"

    @property
    def customer_topic_endpoint(self) -> str:
        """Where the service tells customers what has happened."""
        return f"{self.url('eventgrid')}/topics/customers/api/events"

    @property
    def hub_connection_string(self) -> str:
        """The owner's access to the hub."""
        return (
            f"HostName=localhost:{self.port('iothub')};SharedAccessKeyName=iothubowner;"
            f"SharedAccessKey={self.credentials.iothub_owner}"
        )

    @property
    def token_issuer(self) -> str:
        """Issuer of the access tokens that the REST API takes."""
        return issuer_of(self.url("identity"))


def identity_part(site: Site) -> Part:
    """Return how to run the token issuer."""
    return _server(
        site,
        "identity",
        ["--state", str(site.state.path / "identity")],
        {"IDENTITY_ADMIN_KEY": site.credentials.identity_admin},
    )


def eventgrid_part(site: Site, storage: str) -> Part:
    """Return how to run the Event Grid stand-in, which also raises the events of the storage."""
    options = ["--state", str(site.state.path / "eventgrid")]
    options += ["--time-scale", str(EVENT_GRID_TIME_SCALE)]
    options += ["--watch-container", "imports", "--watch-container", "quarantine"]
    settings = {
        "EVENT_GRID_KEY": site.credentials.event_grid,
        "EVENT_GRID_ADMIN_KEY": site.credentials.event_grid_admin,
        "DEADLETTER_STORAGE": storage,
        "WATCH_STORAGE": storage,
        "SSL_CERT_FILE": str(site.state.ca),
    }
    return _server(site, "eventgrid", options, settings)


def iothub_part(site: Site) -> Part:
    """Return how to run the IoT Hub stand-in."""
    options = ["--state", str(site.state.path / "iothub"), "--name", HUB_NAME]
    options += ["--sku", site.options.sku, "--units", str(site.options.units)]
    options += ["--throttle"] if site.options.throttle else []
    options += ["--event-grid-endpoint", f"{site.url('eventgrid')}/topics/iothub/api/events"]
    settings = {
        "IOTHUB_OWNER_KEY": site.credentials.iothub_owner,
        "IOTHUB_SERVICE_KEY": site.credentials.iothub_service,
        "EVENT_GRID_KEY": site.credentials.event_grid,
        "SSL_CERT_FILE": str(site.state.ca),
    }
    return _server(site, "iothub", options, settings)


def host_part(site: Site, storage: str) -> Part:
    """Return how to run the Functions host with the service in it."""
    options = ["--app", str(REPOSITORY), "--keys-file", str(site.state.host_keys)]
    options += ["--queue-lease", str(QUEUE_LEASE_SECONDS)]
    return _server(site, "host", options, app_settings(site, storage), "functions_host")


def app_settings(site: Site, storage: str) -> dict[str, str]:
    """Return the service's app settings, as a deployment sets them in Azure."""
    twins = (
        f"Endpoint=sb://localhost:{site.port('iothub')}/;SharedAccessKeyName=service;"
        f"SharedAccessKey={site.credentials.iothub_service};EntityPath=twins"
    )
    instance = {
        "id": INSTANCE,
        "iotHub": f"localhost:{site.port('iothub')}",
        "hubName": HUB_NAME,
        "connectionSetting": "IOTHUB",
    }
    return {
        "AzureWebJobsStorage": storage,
        "STATE": storage,
        "CONTENT": storage,
        "TWINS": twins,
        "EVENTS_TOPIC_ENDPOINT": site.topic_endpoint,
        "EVENTS_TOPIC_KEY": site.credentials.event_grid,
        "CUSTOMER_TOPIC_ENDPOINT": site.customer_topic_endpoint,
        "CUSTOMER_TOPIC_KEY": site.credentials.event_grid,
        "INSTANCES": json.dumps([instance]),
        "IOTHUB": site.hub_connection_string,
        "TOKEN_ISSUER": site.token_issuer,
        "TOKEN_JWKS_URI": f"{site.url('identity')}/{LOCAL_TENANT}/discovery/v2.0/keys",
        "TOKEN_AUDIENCE": TOKEN_AUDIENCE,
        "TOKEN_TENANT": LOCAL_TENANT,
        "SIGNING_DIRECTORY": str(site.state.keys / SIGNING),
        "SOURCE_URL_KEY": site.credentials.source_url,
        "FETCH_ALLOW_LOOPBACK": "true",
        "PUBLIC_URL": site.url("host"),
        "SSL_CERT_FILE": str(site.state.trust),
        "REQUESTS_CA_BUNDLE": str(site.state.trust),
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.250",
        "HUB_COMMANDS_PER_SECOND": str(HUB_COMMANDS_PER_SECOND),
        **({} if site.options.throttle else {"HUB_QUERIES_PER_MINUTE": "600"}),
    }


def _server(
    site: Site, name: str, options: list[str], settings: dict[str, str], package: str | None = None
) -> Part:
    descriptor = site.sockets[name].fileno()
    argv = [sys.executable, "-m", f"local.{package or name}", *options, "--leash"]
    argv += ["--socket-fd", str(descriptor)]
    argv += ["--tls-cert", str(site.certificate.certificate)]
    argv += ["--tls-key", str(site.certificate.key)]
    return Part(
        name=name,
        argv=tuple(argv),
        log=site.state.log / f"{name}.log",
        settings={**settings, **_no_proxy(), "PYTHONUNBUFFERED": "1"},
        descriptors=(descriptor, site.parts_lock),
        group=site.group,
    )


def _no_proxy() -> dict[str, str]:
    """Keep calls between the parts away from the machine's web proxy, if it has one."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(filter(None, (known, "localhost", "127.0.0.1")))
    return {"no_proxy": hosts, "NO_PROXY": hosts}
