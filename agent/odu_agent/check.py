"""The command `odu-agent check`: what is wrong, and what to do about it.

It changes nothing: neither the twin nor what the agent remembers.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import time
from typing import TYPE_CHECKING, Any, TextIO

from .config import AgentConfig, ConfigError, load_config
from .connection import create_client, get_twin
from .contract.rootkeys import (
    RootKeyError,
    check_successor,
    check_trustworthy,
    parse_root_key_package,
    validate,
)
from .desired import DesiredSection
from .fetching import DownloadError
from .hub import PASSING_ERRORS, CredentialsError, HubError
from .hub.mqtt import describe
from .means import Means, installed_handlers
from .state import DeviceState
from .workflow import CommandError, parse_command

if TYPE_CHECKING:
    from pathlib import Path

EXIT_FAULTS, EXIT_BAD_CONFIG = 1, 2
_CONNECT_SECONDS = 90.0
_FIRST_PLAUSIBLE_TIME = 1_735_689_600
"""The year 2025: a clock that tells an earlier time was never set."""
_MAXIMUM_PACKAGE_BYTES = 1024 * 1024


class Check:
    """Writes findings and counts the faults among them."""

    def __init__(self, output: TextIO) -> None:
        self.faults = 0
        self._output = output

    def ok(self, what: str, found: str) -> None:
        """Something is as it should be."""
        self._write("ok", what, found)

    def warn(self, what: str, found: str, advice: str) -> None:
        """Something works and should be better."""
        self._write("warn", what, found, advice)

    def fault(self, what: str, found: str, advice: str) -> None:
        """Something does not work."""
        self.faults += 1
        self._write("FAULT", what, found, advice)

    def _write(self, mark: str, what: str, found: str, advice: str = "") -> None:
        self._output.write(f"{mark:<6}{what}: {found}\n")
        if advice:
            self._output.write(f"      -> {advice}\n")
        self._output.flush()


def check(path: Path, output: TextIO) -> int:
    """Look at everything; returns the exit code: 0 all well, 1 faults, 2 no configuration."""
    report = Check(output)
    try:
        config = load_config(path)
    except ConfigError as error:
        report.fault("configuration", str(error), f"correct {path}; docs/agent.md lists every key")
        return EXIT_BAD_CONFIG
    report.ok("configuration", f"{path}: {config.device_name}")
    _check_files(report, path, config)
    _check_clock(report)
    _check_trust(report, config)
    _check_installing(report, config)
    asyncio.run(_check_hub(report, config))
    plural = "" if report.faults == 1 else "s"
    output.write("all well\n" if not report.faults else f"{report.faults} fault{plural}\n")
    return EXIT_FAULTS if report.faults else 0


def _check_files(report: Check, path: Path, config: AgentConfig) -> None:
    mode = path.stat().st_mode
    if mode & stat.S_IROTH and config.connection_type != "AIS":
        advice = f"chmod o-r {path}: it holds the device's key"
        report.warn("secrets", "every user may read the configuration", advice)
    if mode & (stat.S_IWOTH | stat.S_IWGRP):
        advice = f"chmod go-w {path}: it says which keys are trusted"
        report.fault("secrets", "other users may write the configuration", advice)
    folder = config.data_folder
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        advice = f"make {config.data_folder} the agent's own folder, or run this as its user"
        report.fault("data folder", f"{folder} cannot be written", advice)
    else:
        report.ok("data folder", str(config.data_folder))


def _check_clock(report: Check) -> None:
    now = time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    if now < _FIRST_PLAUSIBLE_TIME:
        report.fault("clock", text, "set the clock: certificates and root keys depend on it")
    else:
        report.ok("clock", text)


def _check_trust(report: Check, config: AgentConfig) -> None:
    report.ok("root keys", ", ".join(sorted(config.root_keys)))
    data = DeviceState(config.data_folder).root_key_package()
    if data is None:
        report.ok("root key package", "none yet: the first deployment brings it")
        return
    _check_package(report, config, data, "root key package that is kept")


def _check_package(report: Check, config: AgentConfig, data: bytes, what: str) -> None:
    try:
        package = parse_root_key_package(data)
        validate(package, config.root_keys)
        check_trustworthy(package, config.root_keys)
        check_successor(package, None, time.time())
    except RootKeyError as error:
        advice = "is rootKeysFile that of the service that this device belongs to?"
        report.fault(what, error.message, advice)
    else:
        report.ok(what, f"version {package.version}")


def _check_installing(report: Check, config: AgentConfig) -> None:
    if config.installer_socket is None:
        handlers = ", ".join(installed_handlers(config)) or "none"
        report.ok("handlers", handlers)
        report.warn(
            "halves",
            "one process talks to the network and installs",
            "set installerSocket and run odu-agent installer as root, as the Debian package does",
        )
        return
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(config.installer_socket))
    except OSError as error:
        report.fault(
            "installing half",
            f"{config.installer_socket}: {error.strerror}",
            "systemctl status odu-agent-installer.socket",
        )
    else:
        report.ok("installing half", str(config.installer_socket))
    finally:
        connection.close()


async def _check_hub(report: Check, config: AgentConfig) -> None:
    client = create_client(config)
    try:
        await asyncio.wait_for(client.connect(), _CONNECT_SECONDS)
        twin = await get_twin(client)
    except PASSING_ERRORS as error:
        report.fault("hub", describe(error), _advice(error, config))
    else:
        device, module = client.identity
        report.ok("hub", f"connected as {device}" + (f"/{module}" if module else ""))
        await asyncio.to_thread(_check_desired, report, config, twin.get("desired"))
    finally:
        await client.shutdown()


def _advice(error: BaseException, config: AgentConfig) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "caFile must hold the authority of the hub, gateway or proxy that answers"
    if isinstance(error, ssl.SSLError):
        return "is the port that of the hub, and no proxy in between that opens TLS?"
    if isinstance(error, socket.gaierror):
        return "is HostName right, and does name resolution work here?"
    if isinstance(error, CredentialsError):
        return "compare DeviceId and key with the hub's registry; is the device enabled there?"
    if isinstance(error, PermissionError):
        return "can this user read caFile, edgegatewayCertPath and the device's key?"
    if isinstance(error, HubError):
        return "does the agent run meanwhile? A hub lets a device connect once: stop it to check"
    if isinstance(error, FileNotFoundError):
        return "a file or socket that the connection source needs is not there"
    if config.proxy is not None:
        host, port = config.proxy
        return f"does the proxy {host}:{port} answer, and let CONNECT to the hub pass?"
    return "is port 8883 open outwards? Else set iotHubProtocol to mqtt/ws (443), or proxy"


def _check_desired(report: Check, config: AgentConfig, section: Any) -> None:
    """Whether the service that gave the last command is one that this device trusts."""
    desired = DesiredSection()
    desired.receive_whole(section)
    if desired.service is None:
        report.ok("twin", "the service has not asked for anything yet")
        return
    try:
        command = parse_command(desired.service)
    except CommandError as error:
        advice = "the service must send action, id and rootKeyPackageUrl"
        report.fault("twin", str(error), advice)
        return
    means = Means(config, DeviceState(config.data_folder))
    try:
        url = command.root_key_package_url
        data = means.downloader.fetch_small(url, _MAXIMUM_PACKAGE_BYTES)
    except DownloadError as error:
        advice = "content comes from another host than the hub: is it reachable, its CA in caFile?"
        report.fault("content", error.message, advice)
        return
    finally:
        means.close()
    _check_package(report, config, data, "root key package of the service")
