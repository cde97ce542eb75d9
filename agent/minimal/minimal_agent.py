"""A whole Device Update agent in one file: plain MQTT, Python's standard library, no SDK.

For device makers to port to what their device runs. It does what a service needs of a device and
nothing more: one update with one inline step, installed by a program that gets the file's path.

    python minimal_agent.py --host HUB[:PORT] --device ID --key BASE64 --roots roots.json \\
        --manufacturer contoso --model toaster --install ./install.sh [--ca ca.pem]

What must not be left out in a port: the signature, hash and size checks before anything runs
(`verify`, `download`), and remembering the last workflow over a restart (`state.json`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

MODEL = "dtmi:azure:iot:deviceUpdateModel;3"
CONTRACT = "dtmi:azure:iot:deviceUpdateContractModel;3"
DEPLOY, IDLE, IN_PROGRESS, FAILED = 3, 0, 6, 255
KEEP_ALIVE, TOKEN_SECONDS = 120, 3600
MAX_PACKET, MAX_ROOT_KEY_PACKAGE = 256 * 1024, 1024 * 1024
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


class Refused(Exception):
    """An update that is not installed; `code` is the extended result code."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code


# --- MQTT 3.1.1, as much of it as a twin needs ---------------------------------------------------


class Mqtt:
    """One connection to the hub."""

    def __init__(self, options: argparse.Namespace) -> None:
        parts = urlsplit(f"//{options.host}")
        host = parts.hostname or ""
        context = ssl.create_default_context(cafile=options.ca)
        plain = socket.create_connection((host, parts.port or 8883), timeout=30)
        self._socket = context.wrap_socket(plain, server_hostname=host)
        self._socket.settimeout(KEEP_ALIVE / 2)
        self._data = b""
        self._packet_id = 0
        self._expires = time.time() + TOKEN_SECONDS
        self._connect(options, host)

    def _connect(self, options: argparse.Namespace, host: str) -> None:
        expiry = str(int(self._expires))
        resource = quote(f"{host}/devices/{options.device}", safe="")
        signed = hmac.digest(
            base64.b64decode(options.key), f"{resource}\n{expiry}".encode(), "sha256"
        )
        signature = quote(base64.b64encode(signed), safe="")
        password = f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"
        query = f"api-version=2021-04-12&model-id={quote(MODEL, safe='')}"
        user = f"{host}/{options.device}/?{query}"
        head = text("MQTT") + struct.pack(">BBH", 4, 0xC2, KEEP_ALIVE)
        self._send(0x10, head + text(options.device) + text(user) + text(password))
        kind, body = self._receive()
        if kind != 0x20 or body[1] != 0:
            raise ConnectionError(f"the hub refuses the device with code {body[1:2].hex()}")
        for topic in ("$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"):
            self._send(0x82, self._next_id() + text(topic) + b"\x01")

    def publish(self, topic: str, body: bytes) -> None:
        """Send a message."""
        self._send(0x32, text(topic) + self._next_id() + body)

    def message(self) -> tuple[str, bytes]:
        """Wait for the next message: its topic and body."""
        while True:
            if time.time() > self._expires - 300:
                raise ConnectionError("the token is about to expire: connect anew")
            try:
                kind, body = self._receive()
            except socket.timeout:
                self._send(0xC0, b"")
                continue
            if kind & 0xF0 != 0x30:
                continue
            (length,) = struct.unpack(">H", body[:2])
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            if kind & 0x06:
                self._send(0x40, rest[:2])
                rest = rest[2:]
            return topic, rest

    def _send(self, kind: int, body: bytes) -> None:
        length, size = b"", len(body)
        while True:
            size, part = divmod(size, 128)
            length += bytes([part | (0x80 if size else 0)])
            if not size:
                break
        self._socket.sendall(bytes([kind]) + length + body)

    def _receive(self) -> tuple[int, bytes]:
        """The next packet; on a time-out what has come of it is kept."""
        while True:
            packet = self._cut()
            if packet is not None:
                return packet
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the hub closed the connection")
            self._data += data

    def _cut(self) -> tuple[int, bytes] | None:
        size = 0
        for position in range(1, 5):
            if position >= len(self._data):
                return None
            byte = self._data[position]
            size |= (byte & 0x7F) << (7 * (position - 1))
            if size > MAX_PACKET:
                raise ConnectionError("a packet that is too large")
            if not byte & 0x80:
                start = position + 1
                if len(self._data) < start + size:
                    return None
                kind, body = self._data[0], self._data[start : start + size]
                self._data = self._data[start + size :]
                return kind, body
        raise ConnectionError("a packet without a length")

    def _next_id(self) -> bytes:
        self._packet_id = self._packet_id % 0xFFFF + 1
        return struct.pack(">H", self._packet_id)


def text(value: str) -> bytes:
    """A text as MQTT has it."""
    data = value.encode()
    return struct.pack(">H", len(data)) + data


# --- Trust: root keys -> signing key -> manifest -> files ----------------------------------------


def unb64url(value: str) -> bytes:
    """Decode url-safe base64 without padding."""
    return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)


def is_signed(modulus: bytes, signature: bytes, data: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256 and the exponent 65537."""
    n = int.from_bytes(modulus, "big")
    size = (n.bit_length() + 7) // 8
    if size < 256 or len(signature) != size:
        return False
    digest = SHA256_PREFIX + hashlib.sha256(data).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    opened = pow(int.from_bytes(signature, "big"), 65537, n).to_bytes(size, "big")
    return hmac.compare_digest(opened, expected)


def root_key_package(data: bytes, roots: dict[str, bytes], least: int) -> dict[str, Any]:
    """The package's protected part, signed by every root key that the device was built with."""
    document = json.loads(data)
    protected = document["protected"]
    compact = json.dumps(protected, separators=(",", ":"), ensure_ascii=False)
    signed = compact.replace("/", "\\/").encode()
    kids = list(protected["rootKeys"])
    for kid, modulus in roots.items():
        entry = document["signatures"][kids.index(kid)] if kid in kids else {"sig": ""}
        if not is_signed(modulus, unb64url(entry["sig"]), signed):
            raise Refused(0x80600004, f"wrong signature of root key {kid}")
    if protected.get("isTest") or protected["version"] < least:
        raise Refused(0xA0000F01, "a root key package that is older, or for tests")
    if protected.get("expires", time.time() + 1) <= time.time():
        raise Refused(0xA0000F02, "the root key package has expired")
    return dict(protected)


def verify(service: dict[str, Any], package: dict[str, Any], roots: dict[str, bytes]) -> Any:
    """The manifest, if a signing key signed it that a root key vouches for."""
    try:
        header, payload, signature = service["updateManifestSignature"].split(".")
        sjwk = json.loads(unb64url(header))["sjwk"]
        key_header, key_payload, key_signature = sjwk.split(".")
        kid = json.loads(unb64url(key_header))["kid"]
        signing = json.loads(unb64url(key_payload))
        modulus = base64.b64decode(signing["n"], validate=True)
        claimed = json.loads(unb64url(payload))["sha256"]
        inner, outer = unb64url(key_signature), unb64url(signature)
        algorithms = {json.loads(unb64url(part))["alg"] for part in (header, key_header)}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Refused(0xA0200002, f"the signature cannot be read: {error}") from None
    if kid in package["disabledRootKeys"] or kid not in roots:
        raise Refused(0xA0200006, "the root key is unknown or disabled")
    if algorithms != {"RS256"} or signing.get("e") != "AQAB":
        raise Refused(0xA0200004, "not made with RS256 and the exponent 65537")
    if not is_signed(roots[kid], inner, f"{key_header}.{key_payload}".encode()):
        raise Refused(0xA0200004, "the signing key's signature is wrong")
    if signing_key_hash(modulus) in {entry["hash"] for entry in package["disabledSigningKeys"]}:
        raise Refused(0xA0000005, "the signing key is disabled")
    if not is_signed(modulus, outer, f"{header}.{payload}".encode()):
        raise Refused(0xA0200004, "the manifest's signature is wrong")
    digest = hashlib.sha256(service["updateManifest"].encode()).digest()
    if not hmac.compare_digest(base64.b64encode(digest).decode(), str(claimed)):
        raise Refused(0x80300001, "the manifest is not the one that was signed")
    return json.loads(service["updateManifest"])


def signing_key_hash(modulus: bytes) -> str:
    """SHA-256 over the PKCS#1 form of a key, as the list of disabled keys has it."""

    def integer(number: bytes) -> bytes:
        number = number.lstrip(b"\x00")
        return tlv(0x02, (b"\x00" if number[0] & 0x80 else b"") + number)

    def tlv(tag: int, content: bytes) -> bytes:
        size = len(content)
        if size < 0x80:
            return bytes([tag, size]) + content
        length = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag, 0x80 | len(length)]) + length + content

    der = tlv(0x30, integer(modulus) + integer(b"\x01\x00\x01"))
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


# --- The agent ------------------------------------------------------------------------------------


class Agent:
    """One device."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._names = {"manufacturer": options.manufacturer, "model": options.model}
        self._folder = Path(options.data)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = json.loads(Path(options.roots).read_bytes())
        self._roots = {kid: unb64url(key["n"]) for kid, key in keys.items()}
        self._context = ssl.create_default_context(cafile=options.ca)
        self._desired: dict[str, Any] = {}
        self._request = 0
        self._mqtt: Mqtt | None = None

    def run(self) -> None:
        """Connect and follow the twin until the connection ends."""
        self._mqtt = Mqtt(self._options)
        self._mqtt.publish("$iothub/twin/GET/?$rid=twin", b" ")
        while True:
            topic, body = self._mqtt.message()
            if "/twin/res/" in topic and "$rid=twin" in topic:
                self._desired = json.loads(body)["desired"]
                self._follow(self._desired)
                self._introduce()
            elif topic.startswith("$iothub/twin/PATCH/properties/desired"):
                patch = json.loads(body)
                self._desired = merge(self._desired, patch)
                self._follow(patch)

    def _introduce(self) -> None:
        properties = {**self._names, "interfaceId": None, "contractModelId": CONTRACT}
        agent = {"deviceProperties": properties, "compatPropertyNames": "manufacturer,model"}
        self._publish({"agent": agent})

    def _follow(self, news: dict[str, Any]) -> None:
        """Act on what the service asks for, if the news is about that."""
        if "service" not in (news.get("deviceUpdate") or {}):
            return
        service = (self._desired.get("deviceUpdate") or {}).get("service") or {}
        workflow = service.get("workflow") or {}
        if not workflow.get("id") or not service.get("rootKeyPackageUrl"):
            return
        state = self._state()
        if workflow.get("action") == DEPLOY:
            if state.get("workflow") != workflow:
                self._publish({"agent": {"state": IN_PROGRESS, "lastInstallResult": None}})
                state = {**state, **self._deploy(service), "workflow": workflow}
                self._remember(state)
            self._publish({"agent": state["report"]})
        value = {**service, "updateManifestSignature": None, "fileUrls": None}
        answer = {"value": value, "ac": 200, "ad": "", "av": self._desired["$version"]}
        self._publish({"service": answer})

    def _deploy(self, service: dict[str, Any]) -> dict[str, Any]:
        """Carry a deployment out: what is to be remembered, with the report of its end."""
        kept: dict[str, Any] = {}
        result: dict[str, Any]
        codes, details, installed = 0, None, None
        try:
            manifest, kept["package"] = self._trusted(service)
            installed = self._install(manifest, service.get("fileUrls") or {})
        except Refused as error:
            codes, details = error.code, str(error)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            codes, details = 0x30000130, f"{type(error).__name__}: {error}"[:200]
        result = {"resultCode": 700 if installed else 0, "extendedResultCodes": f"{codes:08X}"}
        result |= {"resultDetails": details, "stepResults": None}
        report = {"state": IDLE if installed else FAILED, "lastInstallResult": result}
        report["workflow"] = service["workflow"]
        if installed:
            report["installedUpdateId"] = json.dumps(installed, separators=(",", ":"))
        return {**kept, "report": report}

    def _trusted(self, service: dict[str, Any]) -> tuple[Any, int]:
        data = self._fetch(service["rootKeyPackageUrl"], MAX_ROOT_KEY_PACKAGE)
        package = root_key_package(data, self._roots, self._state().get("package", 0))
        manifest = verify(service, package, self._roots)
        if self._names not in manifest["compatibility"]:
            raise Refused(0x30400F01, "the update is not meant for this device")
        return manifest, package["version"]

    def _install(self, manifest: Any, urls: dict[str, str]) -> dict[str, str]:
        (step,) = manifest["instructions"]["steps"]
        paths = []
        for number, file_id in enumerate(step["files"]):
            file = manifest["files"][file_id]
            data = self._fetch(urls[file_id], file["sizeInBytes"])
            if base64.b64encode(hashlib.sha256(data).digest()).decode() != file["hashes"]["sha256"]:
                raise Refused(0x4000000C, "a file does not have its hash")
            path = self._folder / f"file-{number}"
            path.write_bytes(data)
            paths.append(str(path))
        done = subprocess.run([self._options.install, *paths], check=False)
        if done.returncode != 0:
            raise Refused(0x30501000 + (done.returncode & 0xFF), "the installer failed")
        return {name: manifest["updateId"][name] for name in ("provider", "name", "version")}

    def _fetch(self, url: str, most: int) -> bytes:
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused(0x40000007, "the address is no http or https URL")
        with urllib.request.urlopen(url, timeout=60, context=self._context) as answer:  # noqa: S310
            data: bytes = answer.read(most + 1)
        if len(data) > most:
            raise Refused(0x40200F01, "the file is longer than its manifest says")
        return data

    def _publish(self, members: dict[str, Any]) -> None:
        assert self._mqtt is not None
        self._request += 1
        body = json.dumps({"deviceUpdate": {"__t": "c", **members}}).encode()
        self._mqtt.publish(f"$iothub/twin/PATCH/properties/reported/?$rid={self._request}", body)

    def _state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._folder / "state.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _remember(self, state: dict[str, Any]) -> None:
        path = self._folder / "state.new"
        path.write_text(json.dumps(state))
        os.sync()
        path.replace(self._folder / "state.json")


def merge(value: Any, patch: Any) -> Any:
    """A JSON merge patch: null removes."""
    if not isinstance(patch, dict):
        return patch
    value = value if isinstance(value, dict) else {}
    merged = {**value, **{name: merge(value.get(name), part) for name, part in patch.items()}}
    return {name: part for name, part in merged.items() if part is not None}


def main() -> None:
    """Run, and connect again whenever the connection ends."""
    parser = argparse.ArgumentParser(description="minimal Device Update agent")
    for name in ("host", "device", "key", "roots", "manufacturer", "model", "install"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--data", default="minimal-agent")
    agent, wait = Agent(parser.parse_args()), 1.0
    while True:
        began = time.monotonic()
        try:
            agent.run()
        except OSError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        wait = 1.0 if time.monotonic() - began > 60 else min(wait * 2, 300.0)
        time.sleep(wait)


if __name__ == "__main__":
    main()
