"""What the tests of the Functions host stand on: certificates, servers and the host process."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import os
import re
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REPOSITORY = Path(__file__).parents[3]
AZURITE = REPOSITORY / "local/node_modules/azurite/dist/src/azurite.js"
APP = Path(__file__).parent / "app"

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""Azurite's published account; it protects nothing."""

PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Certificates:
    """A certificate authority of one test run and a server certificate by it."""

    authority: Path
    chain: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "functions host tests")])
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        _certificate(server_name, authority_name, server_key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    paths = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    paths.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    paths.chain.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    paths.key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


class Collector:
    """Hears from the function app what happens to it, and holds functions back at gates."""

    def __init__(self) -> None:
        self.base = ""
        self.facts: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._gates: dict[str, asyncio.Event] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/facts", self._record)
        app.router.add_get("/gates/{name}", self._hold)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        for gate in self._gates.values():
            gate.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def open_gate(self, name: str) -> None:
        self._gate(name).set()

    def of(self, function: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            fact
            for fact in self.facts
            if fact["function"] == function and wanted.items() <= fact.items()
        ]

    async def wait_for(self, count: int, function: str, **wanted: Any) -> list[dict[str, Any]]:
        """Wait until so many facts of a function have come in."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.of(function, **wanted)) >= count)
        return self.of(function, **wanted)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(condition)

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    async def _record(self, request: web.Request) -> web.Response:
        fact = await request.json()
        async with self._news:
            self.facts.append(fact)
            self._news.notify_all()
        return web.Response()

    async def _hold(self, request: web.Request) -> web.Response:
        await self._gate(request.match_info["name"]).wait()
        return web.Response()


@dataclass(slots=True)
class Azurite:
    """A running storage emulator."""

    process: Process
    blob_port: int
    queue_port: int

    @property
    def connection(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{ACCOUNT};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{ACCOUNT};"
        )


async def start_azurite(folder: Path) -> Azurite:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(AZURITE),
        *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"),
        *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
        cwd=folder,
        stdout=PIPE,
    )
    ports: dict[str, int] = {}
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(ports) < 3:
            line = (await process.stdout.readline()).decode()
            assert line, "Azurite has ended"
            if match := re.search(r"(Blob|Queue|Table) service is successfully .*:(\d+)", line):
                ports[match[1]] = int(match[2])
    return Azurite(process, ports["Blob"], ports["Queue"])


@dataclass(slots=True)
class HostProcess:
    """A running Functions host and what a client needs to talk to it."""

    process: Process
    base: str
    keys: dict[str, Any]
    log: Path

    async def stop(self) -> int:
        """Tell the host to stop and return its exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


@dataclass(slots=True)
class HostFactory:
    """Starts hosts, each with a name, settings and a host id of its own."""

    folder: Path
    certificates: Certificates
    settings: Mapping[str, str]
    running: list[HostProcess] = field(default_factory=list)

    async def launch(
        self, name: str, settings: Mapping[str, str], app: Path, *options: str
    ) -> tuple[Process, Path]:
        """Start the process alone, whether it gets ready or not."""
        log = self.folder / f"{name}.log"
        arguments = [
            *("--app", str(app), "--keys-file", str(self.folder / f"{name}.keys.json")),
            *("--tls-cert", str(self.certificates.chain)),
            *("--tls-key", str(self.certificates.key)),
            *options,
        ]
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local.functions_host", *arguments),
                cwd=REPOSITORY,
                env={**os.environ, **self.settings, **settings},
                stdout=PIPE,
                stderr=errors,
            )
        return process, log

    async def start(
        self,
        name: str,
        settings: Mapping[str, str] | None = None,
        app: Path = APP,
        lease_seconds: int = 15,
    ) -> HostProcess:
        options = ("--host-id", name, "--queue-lease", str(lease_seconds))
        process, log = await self.launch(name, settings or {}, app, *options)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), log.read_text()
        port = json.loads(line.removeprefix("ready "))["port"]
        keys = json.loads((self.folder / f"{name}.keys.json").read_text())
        host = HostProcess(process, f"https://localhost:{port}", keys, log)
        self.running.append(host)
        return host


class EventLog:
    """An event source in memory that speaks the log protocol and checks its signatures."""

    KEY = base64.b64encode(b"a key of the event source").decode()

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[str, str, int]] = []
        self.authorizations: list[str] = []
        self._events: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def connection(self) -> str:
        return (
            f"Endpoint=sb://localhost:{self.port}/;SharedAccessKeyName=service;"
            f"SharedAccessKey={self.KEY};EntityPath=twins"
        )

    async def start(self, certificates: Certificates) -> None:
        app = web.Application()
        app.router.add_get("/{hub}/partitions", self._partitions)
        app.router.add_get("/{hub}/partitions/{partition}/events", self._read)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = server_context(certificates)
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def put(self, hub: str, partition: str, *bodies: str) -> None:
        async with self._news:
            events = self._events.setdefault((hub, partition), [])
            for body in bodies:
                number = len(events) + 1
                events.append(
                    {
                        "sequenceNumber": number,
                        "offset": str(number),
                        "enqueuedTimeUtc": "2026-03-04T05:06:07.8Z",
                        "partitionKey": "d1",
                        "systemProperties": {"iothub-connection-device-id": "d1"},
                        "properties": {"opType": "updateTwin"},
                        "body": base64.b64encode(body.encode()).decode(),
                    }
                )
            self._news.notify_all()

    def _is_authorized(self, request: web.Request) -> bool:
        authorization = request.headers.get("Authorization", "")
        self.authorizations.append(authorization)
        return authorization.startswith("SharedAccessSignature sr=")

    async def _partitions(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return web.Response(status=401)
        return web.json_response({"partitions": ["0", "1"]})

    async def _read(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return web.Response(status=401)
        key = request.match_info["hub"], request.match_info["partition"]
        after, most = int(request.query["after"]), int(request.query["max"])
        self.requests.append((*key, after))

        def waiting() -> list[dict[str, Any]]:
            return [e for e in self._events.get(key, []) if e["sequenceNumber"] > after][:most]

        try:
            async with asyncio.timeout(float(request.query["wait"])), self._news:
                await self._news.wait_for(waiting)
        except TimeoutError:
            pass
        return web.json_response({"events": waiting()})


def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    return context


def client_session(certificates: Certificates) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
