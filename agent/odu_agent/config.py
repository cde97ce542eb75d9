"""The agent's settings: du-config.json as the public agent reads it, with a few keys more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .contract.encoding import unb64url
from .contract.rootkeys import RootKey, check_rsa_numbers
from .contract.strictjson import loads_object
from .contract.twin import DEFAULT_COMPATIBILITY_NAMES
from .hub.identity import (
    TOKEN_SECONDS,
    ClientCertificate,
    IdentityError,
    address,
    identity_of,
    parse_pairs,
)
from .hub.identity_service import IDENTITY_SOCKET, KEY_SOCKET
from .hub.provisioning import registration_of

_DEFAULT_DOWNLOAD_TIMEOUT_MINUTES = 480
_DEFAULT_LOG_KILOBYTES = 50
DIAGNOSTICS_CONFIG = "du-diagnostics-config.json"
_MOST_LOG_KILOBYTES = 100_000
_T = TypeVar("_T")


class ConfigError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class AgentConfig:
    """All that one agent needs to know.

    Attributes:
        connection_string: Of the device, or of a module of it; of a registration for DPS.
        manufacturer: In `deviceProperties`: it decides the device class.
        model: In `deviceProperties`.
        root_keys: The keys this device was built with, by key id.
        data_folder: Holds the agent's state and its downloads; of this agent alone.
        additional_properties: Further `deviceProperties`.
        compatibility_names: The properties that form the device class.
        information: Further members of the `deviceInformation` report.
        ca_file: PEM of authorities to trust besides the system's, for hub and content.
        proxy: Host and port of an HTTP CONNECT proxy, for the hub.
        use_websockets: MQTT over websockets instead of plain MQTT.
        download_timeout_seconds: For one file.
        allow_downgrade: Whether an update below the highest version ever installed is taken. The
            service rolls back by ordinary deployments, so this is the default.
        report_phases: Whether the member `phase` is added to reports of progress.
        simulator: None for none, or the simulator's data (empty for its defaults): every standard
            handler is simulated then.
        handler_settings: What each handler is given, by its name.
        root: The file system to update.
        hooks_folder: Holds the programs that say whether an update may go on; None for none.
        installer_socket: Of the installing half; None where this process installs by itself.
        installer_folder: What the installing half remembers, and its copies of files.
        run_as: The user of the network half.
        reboot_command: Restarts the device.
        maximum_update_age_seconds: Since an update was made; None takes any.
        cache_url: Of a Connected Cache on the gateway.
        download_proxy_url: Of an HTTP proxy for downloads.
        parallel_downloads: Files at once.
        download_bytes_per_second: Of all downloads together.
        connection_type: `string`, `DPS` (Device Provisioning Service) or `AIS` (IoT Identity
            Service, which needs no connection string).
        certificate: For devices that prove themselves by X.509.
        token_seconds: Life of the tokens that the device makes for itself.
        identity_socket: Of the IoT Identity Service.
        key_socket: Of its key service.
        log_components: Folders with logs to upload on request (or `journal:UNIT`), by component
            name.
        maximum_log_bytes: Most that is uploaded of one folder.
    """

    connection_string: str = field(repr=False)
    manufacturer: str
    model: str
    root_keys: Mapping[str, RootKey]
    data_folder: Path
    additional_properties: Mapping[str, str] = field(default_factory=dict)
    compatibility_names: tuple[str, ...] = DEFAULT_COMPATIBILITY_NAMES
    information: Mapping[str, str | int] = field(default_factory=dict)
    ca_file: Path | None = None
    proxy: tuple[str, int] | None = None
    use_websockets: bool = False
    download_timeout_seconds: float = _DEFAULT_DOWNLOAD_TIMEOUT_MINUTES * 60
    allow_downgrade: bool = True
    report_phases: bool = False
    simulator: Mapping[str, Any] | None = None
    handler_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    root: Path = Path("/")
    hooks_folder: Path | None = None
    installer_socket: Path | None = None
    installer_folder: Path = Path("/var/lib/odu-agent-installer")
    run_as: str = ""
    reboot_command: tuple[str, ...] = ("systemctl", "reboot")
    maximum_update_age_seconds: float | None = None
    cache_url: str | None = None
    download_proxy_url: str | None = None
    parallel_downloads: int = 4
    download_bytes_per_second: float | None = None
    connection_type: str = "string"
    certificate: ClientCertificate | None = None
    token_seconds: float = TOKEN_SECONDS
    identity_socket: Path = IDENTITY_SOCKET
    key_socket: Path = KEY_SOCKET
    log_components: Mapping[str, Path | str] = field(default_factory=dict)
    maximum_log_bytes: int = _DEFAULT_LOG_KILOBYTES * 1024

    @property
    def device_properties(self) -> dict[str, str]:
        """The properties that updates are matched with."""
        return {
            **self.additional_properties,
            "manufacturer": self.manufacturer,
            "model": self.model,
        }

    @property
    def device_name(self) -> str:
        """What the connection source calls the device, for logs."""
        if self.connection_type == "AIS":
            return "the identity service's device"
        parts = parse_pairs(self.connection_string)
        names = (parts.get("DeviceId") or parts.get("RegistrationId"), parts.get("ModuleId"))
        return "/".join(name for name in names if name)


def load_config(path: Path) -> AgentConfig:
    """Read du-config.json; relative paths in it are relative to its folder.

    Raises:
        ConfigError: The file or a setting is missing or wrong.
    """
    members = {**_diagnostics_config(path.parent), **_read_object(path)}
    agents = _get(members, "agents", list)
    if not agents or not isinstance(agents[0], dict):
        raise ConfigError("agents must hold at least one object")
    agent = agents[0]
    folder = path.parent.absolute()  # programs that are run stand elsewhere
    return AgentConfig(
        **_connection(agent, folder),
        manufacturer=_get(agent, "manufacturer", str),
        model=_get(agent, "model", str),
        root_keys=load_root_keys(folder / _get(members, "rootKeysFile", str)),
        data_folder=folder / _get(members, "dataFolder", str, "/var/lib/odu-agent"),
        additional_properties=_texts(agent, "additionalDeviceProperties"),
        compatibility_names=_names(_get(members, "compatPropertyNames", str, "")),
        information={
            "manufacturer": _get(members, "manufacturer", str),
            "model": _get(members, "model", str),
        },
        ca_file=_ca_file(members, folder),
        proxy=parse_proxy(_get(members, "proxy", str, "")),
        use_websockets=_get(members, "iotHubProtocol", str, "mqtt") == "mqtt/ws",
        download_timeout_seconds=60
        * _get(members, "downloadTimeoutInMinutes", int, _DEFAULT_DOWNLOAD_TIMEOUT_MINUTES),
        allow_downgrade=_get(members, "allowDowngrade", bool, True),
        report_phases=_get(members, "reportPhases", bool, False),
        simulator=_simulator(members.get("simulator")),
        handler_settings=_handler_settings(members),
        root=folder / _get(members, "root", str, "/"),
        hooks_folder=folder / _get(members, "hooksFolder", str, "/etc/adu/hooks.d"),
        installer_socket=_path(members, "installerSocket", folder),
        installer_folder=folder
        / _get(members, "installerDataFolder", str, "/var/lib/odu-agent-installer"),
        run_as=_get(agent, "runas", str, ""),
        reboot_command=_command(members),
        maximum_update_age_seconds=_scaled(members, "maximumUpdateAgeDays", 24 * 3600),
        cache_url=_url(members, "cacheHost"),
        download_proxy_url=_url(members, "downloadProxy"),
        parallel_downloads=_bounded(members, "parallelDownloads", 4, 16),
        download_bytes_per_second=_scaled(members, "maxDownloadKilobytesPerSecond", 1024),
        log_components=_log_components(members, folder),
        maximum_log_bytes=1024 * _log_kilobytes(members),
    )


def load_root_keys(path: Path) -> dict[str, RootKey]:
    """Read the keys a device is built with: `{kid: {"n": url-safe base64, "e": number}}`.

    Raises:
        ConfigError: The file is missing or malformed.
    """
    keys = {}
    for kid, value in _read_object(path).items():
        if not isinstance(value, dict):
            raise ConfigError(f"{path.name}: {kid} must be an object")
        try:
            keys[kid] = RootKey(kid, unb64url(_get(value, "n", str)), _get(value, "e", int))
            check_rsa_numbers(keys[kid].n, keys[kid].e)
        except ValueError as error:
            raise ConfigError(f"{path.name}: key {kid}: {error}") from None
    if not keys:
        raise ConfigError(f"{path.name} holds no root key")
    return keys


def parse_proxy(text: str) -> tuple[str, int] | None:
    """Read `host:port`; empty text is no proxy.

    Raises:
        ConfigError: Anything else.
    """
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError("proxy must be host:port")
    return host, int(port)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return loads_object(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _get(members: Mapping[str, Any], name: str, kind: type[_T], default: _T | None = None) -> _T:
    value = members.get(name, default)
    if value is None:
        raise ConfigError(f"{name} is missing")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{name} must be of type {kind.__name__}")
    return value


def _connection(agent: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The members of the configuration that stem from `connectionSource`."""
    source = _get(agent, "connectionSource", dict)
    kind, data = _get(source, "connectionType", str), _get(source, "connectionData", str, "")
    certificate = _certificate(source, folder)
    try:
        if kind == "DPS":
            registration_of(data, certificate)
        elif kind == "string":
            identity_of(data, certificate)
        elif kind != "AIS":
            raise ConfigError("connectionType must be string, DPS or AIS")
    except IdentityError as error:
        raise ConfigError(f"connectionData: {error}") from None
    return {"connection_type": kind, "connection_string": data, "certificate": certificate}


def _certificate(source: Mapping[str, Any], folder: Path) -> ClientCertificate | None:
    names = [_get(source, name, str, "") for name in ("certificateFile", "privateKeyFile")]
    if not any(names):
        return None
    if not all(names):
        raise ConfigError("certificateFile and privateKeyFile belong together")
    return ClientCertificate(*(folder / name for name in names))


def _texts(members: Mapping[str, Any], name: str) -> dict[str, str]:
    values = _get(members, name, dict, {})
    if not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f"{name} must hold strings only")
    return values


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return names or DEFAULT_COMPATIBILITY_NAMES


def _path(members: Mapping[str, Any], name: str, folder: Path) -> Path | None:
    value = _get(members, name, str, "")
    return folder / value if value else None


def _command(members: Mapping[str, Any]) -> tuple[str, ...]:
    words = _get(members, "rebootCommand", list, ["systemctl", "reboot"])
    if not words or not all(isinstance(word, str) for word in words):
        raise ConfigError("rebootCommand must hold the words of a command")
    return tuple(words)


def _scaled(members: Mapping[str, Any], name: str, scale: int) -> float | None:
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ConfigError(f"{name} must be a number above 0")
    return float(value * scale)


def _bounded(members: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = _get(members, name, int, default)
    if not 0 < value <= most:
        raise ConfigError(f"{name} must be 1 to {most}")
    return value


def _url(members: Mapping[str, Any], name: str) -> str | None:
    """A `host`, `host:port` or URL of an HTTP server, as a URL."""
    text = _get(members, name, str, "")
    if not text:
        return None
    scheme, separator, rest = text.partition("://")
    scheme, host = (scheme, rest.rstrip("/")) if separator else ("http", text)
    if scheme not in ("http", "https"):
        raise ConfigError(f"{name}: only http and https are possible")
    try:
        address(host)
    except IdentityError as error:
        raise ConfigError(f"{name}: {error}") from None
    return f"{scheme}://{host}"


def _ca_file(members: Mapping[str, Any], folder: Path) -> Path | None:
    name = members.get("caFile") or members.get("edgegatewayCertPath")
    return folder / str(name) if name else None


def _diagnostics_config(folder: Path) -> dict[str, Any]:
    """The public agent has the settings of log uploads in a file of their own."""
    path = folder / DIAGNOSTICS_CONFIG
    return _read_object(path) if path.exists() else {}


def _log_components(members: Mapping[str, Any], folder: Path) -> dict[str, Path | str]:
    found: dict[str, Path | str] = {}
    for item in _get(members, "logComponents", list, []):
        if not isinstance(item, dict):
            raise ConfigError("logComponents must hold objects")
        name = _get(item, "componentName", str)
        if not name or "/" in name or name in found:
            raise ConfigError(f"componentName must be a name of its own, not {json.dumps(name)}")
        place = _get(item, "logPath", str)
        found[name] = place if place.startswith("journal:") else folder / place
    return found


def _log_kilobytes(members: Mapping[str, Any]) -> int:
    kilobytes = _get(members, "maxKilobytesToUploadPerLogPath", int, _DEFAULT_LOG_KILOBYTES)
    if kilobytes < 1:
        raise ConfigError("maxKilobytesToUploadPerLogPath must be above 0")
    return min(kilobytes, _MOST_LOG_KILOBYTES)


def _handler_settings(members: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    settings = _get(members, "handlers", dict, {})
    if not all(isinstance(value, dict) for value in settings.values()):
        raise ConfigError("handlers must hold an object for each handler")
    return settings


def _simulator(value: Any) -> Mapping[str, Any] | None:
    if value is None or value is False:
        return None
    if value is True:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"simulator must be true or an object, not {json.dumps(value)}")
    return value
