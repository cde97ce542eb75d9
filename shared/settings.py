"""Every app setting, typed, with its default and meaning. Nothing else reads the environment."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path

from shared.domain.errors import InvalidInput
from shared.domain.limits import Budget, Limits
from shared.domain.retention import Retention
from shared.topology import CONTENT_CONNECTION, STATE_CONNECTION

YARA_X, CLAMD, DEFENDER = SCAN_ENGINES = ("yara-x", "clamd", "defender")
AZURE_MONITOR, OTLP, CONSOLE = "azure-monitor", "otlp", "console"
TELEMETRY_KINDS = ("off", AZURE_MONITOR, OTLP, CONSOLE)
_CLAMD_ADDRESS = re.compile(r"tcp://[^/]+:[0-9]{1,5}|unix:///.+")
_MAX_DIGITS = 18
_INSTANCE_ID = re.compile("[A-Za-z0-9](-?[A-Za-z0-9]){2,35}")
MAX_PAGE_SIZE = 500
MAX_IMPORT_AT_ONCE_BYTES = 64 << 20
"""Most items of a page of any list: storage answers at most a thousand rows at once."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a storage account: a connection string, or service addresses with identity."""

    connection_string: str | None = field(repr=False, default=None)
    blob_uri: str | None = None
    queue_uri: str | None = None
    table_uri: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """One instance of Device Update: its id, its IoT hub and the container of its devices' logs.

    `hub_name` is what the hub calls itself in events. Without a connection string the hub is
    reached with the app's identity. Instances share none of these: a device may write to the whole
    container.
    """

    instance_id: str
    hub_host: str
    hub_name: str
    hub_connection_string: str | None = field(repr=False, default=None)
    diagnostics_container: str = "diagnostics"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which bearer tokens are accepted."""

    issuer: str
    audience: str
    tenant: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """Which scanners judge what is imported; the worst verdict counts.

    `engines` are some of `SCAN_ENGINES`. `clamd_address` is `tcp://HOST:PORT` or `unix:///PATH`;
    `clamd_max_bytes` is the largest file, or member of an archive, that it is given: at most its
    own `MaxFileSize`, `MaxScanSize` and `StreamMaxLength`. Microsoft Defender tells its verdicts by
    events; an import that lacks one after `defender_wait_seconds` fails. A file with more than
    `max_members` in its archives, or with one that unpacks to more than `max_ratio` times its size,
    is unscannable.
    """

    engines: tuple[str, ...] = (YARA_X,)
    clamd_address: str = ""
    clamd_max_bytes: int = 25 << 20
    defender_wait_seconds: float = 1800.0
    max_members: int = 12_000
    max_ratio: int = 200


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where traces, metrics and log lines are sent; `kind` is one of `TELEMETRY_KINDS`.

    `endpoint` is the base address of an OTLP collector, `connection_string` names a component of
    Application Insights. `sampling` is the share of the traces that are recorded besides those of
    changes, above 0 and at most 1.
    """

    kind: str = "off"
    endpoint: str = ""
    connection_string: str | None = field(repr=False, default=None)
    sampling: float = 1.0

    @property
    def is_on(self) -> bool:
        """Whether anything is sent."""
        return self.kind != "off"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the function app.

    Signing keys are either files in `signing_directory` or keys of the vault `signing_vault_url`.
    Without `customer_topic_endpoint` no events are published for customers.
    People sign in to the console at `console_authority` as `console_client_id`, an application that
    has the console's address as a single-page redirect; without it the console says so.
    A source that sends less than `fetch_min_bytes_per_second` for `fetch_rate_window_seconds` is
    left. Reports that many poll are read from storage once in `reads_shared_seconds`. An import
    whose files have at most `import_at_once_bytes` in all goes through its stages in one message,
    with its files in memory.
    """

    state: Connection
    content: Connection
    instances: Mapping[str, InstanceSettings]
    tokens: TokenSettings
    events_endpoint: str
    events_key: str | None = field(repr=False)
    customer_topic_endpoint: str | None
    customer_topic_key: str | None = field(repr=False)
    signing_directory: Path | None
    signing_vault_url: str | None
    source_url_key: str = field(repr=False)
    public_url: str
    console_authority: str
    console_client_id: str | None = None
    allow_loopback_sources: bool = False
    fetch_min_bytes_per_second: float = 64 * 1024.0
    fetch_rate_window_seconds: float = 60.0
    hub_commands_per_second: float = 5.7
    hub_reads_per_second: float = 20.0
    hub_queries_per_minute: float = 10.0
    rollup_delay_seconds: float = 1.0
    reads_shared_seconds: float = 1.0
    link_hours: float = 144.0
    drop_wait_seconds: float = 3600.0
    import_at_once_bytes: int = 4 << 20
    page_size: int = 100
    scan: ScanSettings = field(default_factory=ScanSettings)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    retention: Retention = field(default_factory=Retention)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)

    @property
    def links_good_for(self) -> timedelta:
        """How old a command may be whose links a device still gets to use."""
        return timedelta(hours=0.9 * self.link_hours)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings.

    Raises:
        InvalidInput: A setting is missing or malformed; the message names every one.
    """
    reader = _Reader(environment)
    settings = Settings(
        state=reader.connection(STATE_CONNECTION, "queue", "table"),
        content=reader.connection(CONTENT_CONNECTION, "blob"),
        instances=reader.instances("INSTANCES"),
        tokens=TokenSettings(
            issuer=reader.required("TOKEN_ISSUER"),
            audience=reader.required("TOKEN_AUDIENCE"),
            tenant=reader.required("TOKEN_TENANT"),
            jwks_uri=reader.required("TOKEN_JWKS_URI"),
        ),
        events_endpoint=reader.required("EVENTS_TOPIC_ENDPOINT"),
        events_key=environment.get("EVENTS_TOPIC_KEY"),
        customer_topic_endpoint=environment.get("CUSTOMER_TOPIC_ENDPOINT") or None,
        customer_topic_key=environment.get("CUSTOMER_TOPIC_KEY"),
        signing_directory=reader.directory("SIGNING_DIRECTORY", "SIGNING_VAULT_URL"),
        signing_vault_url=environment.get("SIGNING_VAULT_URL"),
        source_url_key=reader.required("SOURCE_URL_KEY"),
        public_url=reader.required("PUBLIC_URL").rstrip("/"),
        console_authority=environment.get("CONSOLE_AUTHORITY")
        or environment.get("TOKEN_ISSUER", "").removesuffix("/v2.0"),
        console_client_id=environment.get("CONSOLE_CLIENT_ID") or None,
        allow_loopback_sources=environment.get("FETCH_ALLOW_LOOPBACK", "").lower() == "true",
        fetch_min_bytes_per_second=reader.positive("FETCH_MIN_BYTES_PER_SECOND", 64 * 1024.0),
        fetch_rate_window_seconds=reader.positive("FETCH_RATE_WINDOW_SECONDS", 60.0),
        hub_commands_per_second=reader.positive("HUB_COMMANDS_PER_SECOND", 5.7),
        hub_reads_per_second=reader.positive("HUB_READS_PER_SECOND", 20.0),
        hub_queries_per_minute=reader.positive("HUB_QUERIES_PER_MINUTE", 10.0),
        rollup_delay_seconds=reader.positive("ROLLUP_DELAY_SECONDS", 1.0),
        reads_shared_seconds=reader.positive("READS_SHARED_SECONDS", 1.0),
        link_hours=reader.positive("DOWNLOAD_LINK_HOURS", 144.0),
        drop_wait_seconds=reader.positive("IMPORT_DROP_WAIT_SECONDS", 3600.0),
        import_at_once_bytes=reader.whole(
            "IMPORT_AT_ONCE_BYTES", 4 << 20, at_most=MAX_IMPORT_AT_ONCE_BYTES
        ),
        page_size=reader.whole("API_PAGE_SIZE", 100, at_most=MAX_PAGE_SIZE),
        scan=reader.scan(),
        limits=Limits(**reader.numbers("LIMIT_", Limits())),
        budget=Budget(**reader.numbers("REQUESTS_PER_MINUTE_", Budget())),
        retention=Retention(**reader.numbers("RETENTION_", Retention())),
        telemetry=reader.telemetry(),
    )
    reader.finish()
    return settings


class _Reader:
    """Reads one setting after the other and remembers what is wrong with any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._wrong: list[str] = []

    def required(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            self._wrong.append(f"{name} is not set")
        return value

    def positive(self, name: str, default: float) -> float:
        text = self._environment.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            self._wrong.append(f"{name} must be a number above 0")
        return value

    def whole(self, name: str, default: int, *, at_most: int = sys.maxsize) -> int:
        text = self._environment.get(name, str(default))
        if not text.isdecimal() or len(text) > _MAX_DIGITS or not 0 < int(text) <= at_most:
            self._wrong.append(f"{name} must be a whole number from 1 to {at_most}")
            return default
        return int(text)

    def numbers(self, prefix: str, defaults: Limits | Budget | Retention) -> dict[str, int]:
        """A setting for each field."""
        return {
            each.name: self.whole(prefix + each.name.upper(), getattr(defaults, each.name))
            for each in fields(defaults)
        }

    def scan(self) -> ScanSettings:
        names = self._environment.get("SCAN_ENGINES", YARA_X).split(",")
        engines = tuple(dict.fromkeys(name.strip().lower() for name in names))
        if not set(engines) <= set(SCAN_ENGINES):
            self._wrong.append(f"SCAN_ENGINES must be some of {', '.join(SCAN_ENGINES)}")
        address = self._environment.get("CLAMD_ADDRESS", "")
        if CLAMD in engines and not _CLAMD_ADDRESS.fullmatch(address):
            self._wrong.append("CLAMD_ADDRESS must be tcp://HOST:PORT or unix:///PATH")
        return ScanSettings(
            engines=engines,
            clamd_address=address,
            clamd_max_bytes=self.whole("CLAMD_MAX_BYTES", 25 << 20),
            defender_wait_seconds=self.positive("DEFENDER_WAIT_SECONDS", 1800.0),
            max_members=self.whole("SCAN_MAX_MEMBERS", 12_000, at_most=10_000_000),
            max_ratio=self.whole("SCAN_MAX_RATIO", 200, at_most=1_000_000),
        )

    def telemetry(self) -> TelemetrySettings:
        kind = self._environment.get("TELEMETRY", "").strip().lower() or "off"
        if kind not in TELEMETRY_KINDS:
            self._wrong.append(f"TELEMETRY must be one of {', '.join(TELEMETRY_KINDS)}")
        needed = {
            AZURE_MONITOR: "APPLICATIONINSIGHTS_CONNECTION_STRING",
            OTLP: "OTEL_EXPORTER_OTLP_ENDPOINT",
        }
        given = {name: self._environment.get(name, "") for name in needed.values()}
        if kind in needed and not given[needed[kind]]:
            self._wrong.append(f"TELEMETRY is {kind}, but {needed[kind]} is not set")
        sampling = self.positive("TELEMETRY_SAMPLING", 1.0)
        if sampling > 1:
            self._wrong.append("TELEMETRY_SAMPLING must be at most 1")
        return TelemetrySettings(
            kind=kind,
            endpoint=given[needed[OTLP]],
            connection_string=given[needed[AZURE_MONITOR]] or None,
            sampling=sampling,
        )

    def directory(self, name: str, alternative: str) -> Path | None:
        text = self._environment.get(name)
        if bool(text) == bool(self._environment.get(alternative)):
            self._wrong.append(f"one of {name} and {alternative} must be set, not both")
        return Path(text) if text else None

    def connection(self, name: str, *services: str) -> Connection:
        text = self._environment.get(name)
        if text:
            return Connection(connection_string=text)
        addresses = {
            service: self._environment.get(f"{name}__{service}ServiceUri") for service in services
        }
        self._wrong += [
            f"neither {name} nor {name}__{service}ServiceUri is set"
            for service, address in addresses.items()
            if not address
        ]
        return Connection(
            blob_uri=addresses.get("blob"),
            queue_uri=addresses.get("queue"),
            table_uri=addresses.get("table"),
        )

    def instances(self, name: str) -> dict[str, InstanceSettings]:
        try:
            text = self.required(name)
            found = [self._instance(item) for item in json.loads((text or "[]").encode())]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._wrong.append(
                f"{name} must be a JSON array of objects with id and iotHub ({error!r})"
            )
            return {}
        if text and not found:
            self._wrong.append(f"{name} must name at least one instance")
        self._wrong += [
            f"{name}: {item.instance_id!r} is no id of an instance: 3 to 36 letters, digits, dashes"
            for item in found
            if not _INSTANCE_ID.fullmatch(item.instance_id)
        ]
        self._wrong += [
            f"{name}: two instances have the same {what}"
            for what, values in {
                "id": [item.instance_id for item in found],
                "hubName": [item.hub_name for item in found],
                "diagnosticsContainer": [item.diagnostics_container for item in found],
            }.items()
            if len(set(values)) < len(values)
        ]
        return {item.instance_id: item for item in found}

    def _instance(self, entry: Mapping[str, str]) -> InstanceSettings:
        setting = entry.get("connectionSetting")
        host = entry["iotHub"]
        return InstanceSettings(
            instance_id=entry["id"],
            hub_host=host,
            hub_name=entry.get("hubName") or host.partition(".")[0],
            hub_connection_string=self.required(setting) if setting else None,
            diagnostics_container=entry.get("diagnosticsContainer") or "diagnostics",
        )

    def finish(self) -> None:
        if self._wrong:
            raise InvalidInput("App settings: " + "; ".join(self._wrong) + ".")
