"""The Python parts of the stack: their command lines, and the settings that tie them together."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud.identity.tokens import CONSOLE_CLIENT, LOCAL_TENANT, issuer_of
from local.stack.child import Part
from local.stack.keys import SIGNING

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from local.stack.certificates import ServerCertificate
    from local.stack.credentials import Credentials
    from local.stack.state import StateDirectory

REPOSITORY = Path(__file__).parents[2]
INSTANCE = "local"
"""The instance that every stack has."""
IMPORT_DROP_CONTAINER = "imports"
TOKEN_AUDIENCE = "https://api.adu.microsoft.com/"  # noqa: S105 (the API's name, no secret)
EVENT_GRID_TIME_SCALE = 0.05
"""Retries of Event Grid come after seconds, not minutes."""
QUEUE_LEASE_SECONDS = 15
HUB_COMMANDS_PER_SECOND = 200
CONSOLE = "console"
"""In place of a collector: telemetry goes into the log of the host."""

_UNTHROTTLED = {"HUB_QUERIES_PER_MINUTE": "600", "LIMIT_NEW_CLASSES_PER_HOUR": "10000"}
"""What a stack is let do that only tries things: devices of many kinds come within minutes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose: the hub's tier and size, and whether its throttles are on."""

    sku: str = "S1"
    units: int = 1
    throttle: bool = False
    port: int | None = None
    """Port of the REST API."""
    otlp: str | None = None
    """Base address of a collector of telemetry, or `console`; None sends it nowhere."""
    further_instances: tuple[str, ...] = ()
    """Instances besides `local`, each with a hub of its own."""

    @property
    def instances(self) -> tuple[str, ...]:
        """Every instance; the hub of the first holds the log that all hubs route to."""
        return (INSTANCE, *self.further_instances)

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the Python parts."""
        return ("identity", "eventgrid", *map(hub_part, self.instances), "host")


def hub_part(instance: str) -> str:
    """Return the name of the part that is an instance's hub, and of its state's folder."""
    return "iothub" if instance == INSTANCE else f"iothub-{instance}"


def hub_name(instance: str) -> str:
    """Return what an instance's hub calls itself in events."""
    return f"odu-{instance}"


def diagnostics_container(instance: str) -> str:
    """Return the container that an instance's devices write their logs to."""
    return "diagnostics" if instance == INSTANCE else f"diagnostics-{instance}"


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
        """Return the port of one of the Python parts."""
        port: int = self.sockets[server].getsockname()[1]
        return port

    def url(self, server: str) -> str:
        """Return the base URL of one of the Python parts, without a slash at its end."""
        return f"https://localhost:{self.port(server)}"

    @property
    def topic_endpoint(self) -> str:
        """Where the service publishes its own events."""
        return f"{self.url('eventgrid')}/topics/topic/api/events"

    @property
    def customer_topic_endpoint(self) -> str:
        """Where the service tells customers what has happened."""
        return f"{self.url('eventgrid')}/topics/customers/api/events"

    def hub_connection_string(self, instance: str) -> str:
        """Return the owner's access to an instance's hub."""
        return (
            f"HostName=localhost:{self.port(hub_part(instance))};SharedAccessKeyName=iothubowner;"
            f"SharedAccessKey={self.credentials.hub(instance).owner}"
        )

    @property
    def twins_connection_string(self) -> str:
        """Access to the event hub that every hub routes twin changes to: the first one's log."""
        return (
            f"Endpoint=sb://localhost:{self.port(hub_part(INSTANCE))}/;"
            f"SharedAccessKeyName=service;"
            f"SharedAccessKey={self.credentials.hub(INSTANCE).service};EntityPath=twins"
        )

    @property
    def console_url(self) -> str:
        """Where the web console is."""
        return f"{self.url('host')}/console/"

    @property
    def token_issuer(self) -> str:
        """Issuer of the access tokens that the REST API takes."""
        return issuer_of(self.url("identity"))


def identity_part(site: Site) -> Part:
    """Return how to run the token issuer."""
    return _server(
        site,
        "identity",
        [
            *("--state", str(site.state.path / "identity"), "--audience", TOKEN_AUDIENCE),
            *("--redirect", site.console_url),
            *("--registration", str(REPOSITORY / "infra" / "application.json")),
            *(word for name in site.options.instances for word in ("--role-scope", name)),
        ],
        {
            "IDENTITY_ADMIN_KEY": site.credentials.identity_admin,
            "IDENTITY_CLIENT_SECRET": site.credentials.identity_client,
        },
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


def iothub_part(site: Site, instance: str) -> Part:
    """Return how to run the IoT Hub stand-in of an instance."""
    name, keys = hub_part(instance), site.credentials.hub(instance)
    options = ["--state", str(site.state.path / name), "--name", hub_name(instance)]
    options += ["--sku", site.options.sku, "--units", str(site.options.units)]
    options += ["--throttle"] if site.options.throttle else []
    options += ["--event-grid-endpoint", f"{site.url('eventgrid')}/topics/iothub/api/events"]
    settings = {
        "IOTHUB_OWNER_KEY": keys.owner,
        "IOTHUB_SERVICE_KEY": keys.service,
        "EVENT_GRID_KEY": site.credentials.event_grid,
        "SSL_CERT_FILE": str(site.state.ca),
    }
    if instance != INSTANCE:
        settings["TWINS_ROUTE"] = site.twins_connection_string
    return _server(site, name, options, settings, "iothub")


def host_part(site: Site, storage: str) -> Part:
    """Return how to run the Functions host with the service in it."""
    options = ["--app", str(REPOSITORY), "--keys-file", str(site.state.host_keys)]
    options += ["--queue-lease", str(QUEUE_LEASE_SECONDS)]
    return _server(site, "host", options, app_settings(site, storage), "functions_host")


def app_settings(site: Site, storage: str) -> dict[str, str]:
    """Return the service's app settings, as a deployment sets them in Azure."""
    instances = site.options.instances
    hub_settings = [hub_part(instance).upper().replace("-", "_") for instance in instances]
    return {
        "AzureWebJobsStorage": storage,
        "STATE": storage,
        "CONTENT": storage,
        "TWINS": site.twins_connection_string,
        "EVENTS_TOPIC_ENDPOINT": site.topic_endpoint,
        "EVENTS_TOPIC_KEY": site.credentials.event_grid,
        "CUSTOMER_TOPIC_ENDPOINT": site.customer_topic_endpoint,
        "CUSTOMER_TOPIC_KEY": site.credentials.event_grid,
        "INSTANCES": json.dumps(
            [
                {
                    "id": instance,
                    "iotHub": f"localhost:{site.port(hub_part(instance))}",
                    "hubName": hub_name(instance),
                    "connectionSetting": setting,
                    "diagnosticsContainer": diagnostics_container(instance),
                }
                for instance, setting in zip(instances, hub_settings, strict=True)
            ]
        ),
        **{
            setting: site.hub_connection_string(instance)
            for instance, setting in zip(instances, hub_settings, strict=True)
        },
        "TOKEN_ISSUER": site.token_issuer,
        "TOKEN_JWKS_URI": f"{site.url('identity')}/{LOCAL_TENANT}/discovery/v2.0/keys",
        "TOKEN_AUDIENCE": TOKEN_AUDIENCE,
        "TOKEN_TENANT": LOCAL_TENANT,
        "SIGNING_DIRECTORY": str(site.state.keys / SIGNING),
        "SOURCE_URL_KEY": site.credentials.source_url,
        "FETCH_ALLOW_LOOPBACK": "true",
        "PUBLIC_URL": site.url("host"),
        "CONSOLE_CLIENT_ID": CONSOLE_CLIENT,
        "SSL_CERT_FILE": str(site.state.trust),
        "REQUESTS_CA_BUNDLE": str(site.state.trust),
        "HUB_COMMANDS_PER_SECOND": os.environ.get(
            "HUB_COMMANDS_PER_SECOND", str(HUB_COMMANDS_PER_SECOND)
        ),
        **({} if site.options.throttle else _UNTHROTTLED),
        **_telemetry(site.options.otlp),
    }


def _telemetry(otlp: str | None) -> dict[str, str]:
    """Have what is told sent within seconds: somebody looks on."""
    if otlp is None:
        return {}
    soon = {"OTEL_BSP_SCHEDULE_DELAY": "500", "OTEL_BLRP_SCHEDULE_DELAY": "500"}
    soon["OTEL_METRIC_EXPORT_INTERVAL"] = "2000"
    if otlp == CONSOLE:
        return {**soon, "TELEMETRY": "console"}
    return {**soon, "TELEMETRY": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": otlp}


def _server(
    site: Site, name: str, options: list[str], settings: dict[str, str], package: str | None = None
) -> Part:
    descriptor = site.sockets[name].fileno()
    argv = [sys.executable, "-m", f"local.cloud.{package or name}", *options, "--leash"]
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
