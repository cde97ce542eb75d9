"""The installing half believes nothing: orders as a hostile network half would forge them."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestStep, UpdateManifest
from odu_agent.halves.frames import FrameError, Frames, PeerGoneError
from odu_agent.handlers.simulator import Simulator

from tests.unit.agent.content_server import ContentServer
from tests.unit.agent.fixtures import HANDLER, Update, file_of
from tests.unit.agent.halves import Half, Order, erc_of
from tests.unit.contract import vectors


class Counting(Simulator):
    """Counts what it installs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.installed = 0

    def install(self, step: Any) -> Any:
        self.installed += 1
        return super().install(step)


@pytest.fixture
def half(tmp_path: Path) -> Half:
    folder = tmp_path / "installer"
    return Half(folder, {HANDLER: Counting(folder)}, installer_folder=folder)


def _update(version: str = "1.0", **changes: Any) -> Update:
    return Update(ContentServer(url="http://127.0.0.1:9"), version, changes=changes)


def _service(workflow_id: str = "w", version: str = "1.0", **changes: Any) -> dict[str, Any]:
    return _update(version, **changes).service(workflow_id)


def _installed(half: Half) -> int:
    handler = half.handlers[HANDLER]
    assert isinstance(handler, Counting)
    return handler.installed


def test_order_that_the_service_signed_is_carried_out_once(half: Half) -> None:
    first = half.order(Order(_service()))
    again = half.order(Order(_service()))

    assert (first["ended"], first["resultCode"]) == ("completed", 700)
    assert again == first, "an order that comes again after a crash is answered"
    assert _installed(half) == 1


def _signed_by(key: str) -> dict[str, Any]:
    update = _update()
    update.signing_key = key
    return update.service("w")


def _tampered() -> dict[str, Any]:
    service = _service()
    return {**service, "updateManifest": service["updateManifest"].replace("contoso", "fabrikam")}


def _with_other_signature() -> dict[str, Any]:
    other = _service(version="2.0")
    return {**_service(), "updateManifestSignature": other["updateManifestSignature"]}


def _by_another_root() -> dict[str, Any]:
    service = _service()
    manifest = service["updateManifest"]
    forged = vectors.manifest_signature(manifest, root="root.thief")
    return {**service, "updateManifestSignature": forged}


def _package(**changes: Any) -> bytes:
    return vectors.signed_package(**changes)


def _forged_package() -> bytes:
    document = json.loads(_package(version=9))
    document["protected"]["published"] += 1
    return json.dumps(document).encode()


def _hash_of(key: str) -> str:
    from odu_agent.contract.rootkeys import signing_key_hash

    return signing_key_hash(vectors.private_key(key).public_key())


_NOW = int(time.time())
FORGED = {
    "no signature": (lambda: {**_service(), "updateManifestSignature": None}, None, 0x80300001),
    "no manifest": (lambda: {**_service(), "updateManifest": None}, None, 0x80300001),
    "manifest changed after it was signed": (_tampered, None, Erc.MANIFEST_HASH_WRONG),
    "signature of another update": (_with_other_signature, None, Erc.MANIFEST_HASH_WRONG),
    "signed by a root that the device does not know": (
        _by_another_root,
        None,
        Erc.JWS_ROOT_KEY_UNKNOWN,
    ),
    "signed by a key that was revoked": (
        _service,
        lambda: _package(disabledSigningKeys=[{"alg": "SHA256", "hash": _hash_of("signing.1")}]),
        Erc.SIGNING_KEY_DISABLED,
    ),
    "signed under a root that was disabled": (
        _service,
        lambda: _package(disabledRootKeys=["root.1"]),
        Erc.JWS_ROOT_KEY_DISABLED,
    ),
    "root key package with a forged change": (
        _service,
        _forged_package,
        Erc.PACKAGE_SIGNATURE_WRONG,
    ),
    "root key package that is none": (_service, lambda: b"<html>", Erc.PACKAGE_NOT_JSON),
    "no root key package": (_service, lambda: b"", Erc.PACKAGE_NOT_JSON),
    "root key package that has expired": (
        _service,
        lambda: _package(expires=_NOW - 60),
        Erc.PACKAGE_EXPIRED,
    ),
    "root key package of the future": (
        _service,
        lambda: _package(published=_NOW + 90_000),
        Erc.PACKAGE_FROM_THE_FUTURE,
    ),
    "root key package that disables all": (
        _service,
        lambda: _package(disabledRootKeys=["root.1", "root.2"]),
        Erc.PACKAGE_DISABLES_ALL,
    ),
    "update of another device": (
        lambda: _service(compatibility=({"manufacturer": "contoso", "model": "toaster"},)),
        None,
        Erc.NOT_COMPATIBLE,
    ),
    "step of a handler that the device does not have": (
        lambda: _service(steps=(ManifestStep("evil/shell:1", ("f1",), {}),)),
        None,
        Erc.HANDLER_NOT_REGISTERED,
    ),
    "file name that leads out of its folder": (
        lambda: _service(files={"f1": file_of(b"payload one", "../../etc/cron.d/evil")}),
        None,
        Erc.DOWNLOAD_INVALID_FILE,
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_order_is_refused(half: Half, name: str) -> None:
    service, package, erc = FORGED[name]

    result = half.order(Order(service(), package() if package else _package()))

    assert result["ended"] == "failed"
    assert erc_of(result) == erc
    assert _installed(half) == 0


def test_older_root_key_package_is_refused_and_revives_no_revoked_key(half: Half) -> None:
    revoked = [{"alg": "SHA256", "hash": _hash_of("signing.1")}]
    half.order(Order(_service(), _package(version=2, disabledSigningKeys=revoked)))

    stale = half.order(Order(_service("w2"), _package(version=1)))
    changed = half.order(Order(_service("w3"), _package(version=2)))

    assert erc_of(stale) == Erc.PACKAGE_ROLLED_BACK
    assert erc_of(changed) == Erc.PACKAGE_CHANGED_IN_PLACE
    assert _installed(half) == 0


def test_stale_update_is_refused_where_the_device_takes_no_downgrades(tmp_path: Path) -> None:
    half = Half(tmp_path, {HANDLER: Counting(tmp_path)}, allow_downgrade=False)
    half.order(Order(_service("w2", "2.0")))

    result = half.order(Order(_service("w1", "1.0")))

    assert erc_of(result) == Erc.DOWNGRADE_REFUSED
    assert _installed(half) == 1


@pytest.mark.parametrize("created", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.1234567Z", ""])
def test_stale_update_is_refused_where_the_device_wants_fresh_ones(
    tmp_path: Path, created: str
) -> None:
    half = Half(tmp_path, {HANDLER: Counting(tmp_path)}, maximum_update_age_seconds=86_400)

    result = half.order(Order(_service(created_date_time=created)))
    fresh = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    taken = half.order(Order(_service("w2", created_date_time=fresh)))

    assert erc_of(result) == Erc.MANIFEST_TOO_OLD
    assert taken["ended"] == "completed"


@pytest.mark.parametrize(
    "content", [b"payload two", b"payload one and more", b"payload", b""], ids=len
)
def test_file_with_other_content_is_refused(half: Half, content: bytes) -> None:
    result = half.order(Order(_service(), files={"payload.bin": content}))

    assert erc_of(result) == Erc.DOWNLOAD_HASH_WRONG
    assert _installed(half) == 0


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device"])
def test_descriptor_that_is_no_file_is_refused(half: Half, tmp_path: Path, kind: str) -> None:
    here, there = socket.socketpair()
    reading, writing = os.pipe()
    opened = {
        "folder": os.open(tmp_path, os.O_RDONLY),
        "pipe": reading,
        "socket": here.fileno(),
        "device": os.open("/dev/zero", os.O_RDONLY),
    }

    result = half.order(Order(_service(), files={"payload.bin": opened[kind]}))

    assert erc_of(result) == Erc.DOWNLOAD_INVALID_FILE
    for number in (opened["folder"], opened["device"], reading, writing):
        os.close(number)
    here.close()
    there.close()


def test_file_that_is_changed_after_it_was_handed_over_changes_nothing(half: Half) -> None:
    """The copy is what was hashed; the file of the other half is not looked at again."""
    source = half.folder.parent / "theirs"
    source.write_bytes(b"payload one")
    descriptor = os.open(source, os.O_RDWR)
    seen: list[bytes] = []
    handler = half.handlers[HANDLER]
    install = handler.install

    def change_then_install(step: Any) -> Any:
        os.pwrite(descriptor, b"EVIL EVIL!!", 0)
        seen.append(step.files[0].path.read_bytes())
        return install(step)

    handler.install = change_then_install  # type: ignore[method-assign]
    result = half.order(Order(_service(), files={"payload.bin": descriptor}))
    os.close(descriptor)

    assert result["ended"] == "completed"
    assert seen == [b"payload one"]


def test_cancelled_and_failed_workflows_are_not_run_again_by_a_replay(half: Half) -> None:
    half.handlers[HANDLER]._data = {"install": {"resultCode": 0}}  # type: ignore[attr-defined]
    first = half.order(Order(_service()))
    half.handlers[HANDLER]._data = {}  # type: ignore[attr-defined]

    replayed = half.order(Order(_service()))
    retried = half.order(Order(_update().service("w", "retry-1")))

    assert replayed == first
    assert first["ended"] == "failed"
    assert retried["ended"] == "completed"


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 2**31) + b"x",
        struct.pack(">I", 0),
        struct.pack(">I", 4) + b"nope",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 13) + b'{"kind": "x"}',
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 40) + b'{"kind":"order","service":{},"rootKeyPa',
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ],
    ids=range(9),
)
def test_what_is_no_order_ends_the_connection(half: Half, data: bytes) -> None:
    with half.connected() as frames:
        connection = frames._connection
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with pytest.raises((PeerGoneError, FrameError)):
            frames.receive()

    assert _installed(half) == 0


def test_second_order_on_a_connection_is_not_taken(half: Half) -> None:
    handler = half.handlers[HANDLER]
    began, go_on = threading.Event(), threading.Event()
    install = handler.install

    def slow(step: Any) -> Any:
        began.set()
        go_on.wait(60)
        return install(step)

    handler.install = slow  # type: ignore[method-assign]
    with half.connected() as frames:
        order = Order(_service())
        members = {
            "service": order.service,
            "rootKeyPackage": base64.b64encode(order.package).decode(),
        }
        frames.send("order", members)
        kind, asked, _ = frames.receive()
        while kind != "fetch":
            kind, asked, _ = frames.receive()
        half._hand_over(frames, order, asked)
        assert began.wait(60)
        frames.send("order", {**members, "service": _service("w2", "2.0")})
        go_on.set()

    again = half.order(Order(_service()))
    assert again["ended"] == "completed", "what was begun is finished, and its result kept"
    assert _installed(half) == 1


def test_network_half_that_leaves_in_the_download_fails_nothing(half: Half) -> None:
    with half.connected() as frames:
        order = Order(_service())
        package = base64.b64encode(order.package).decode()
        frames.send("order", {"service": order.service, "rootKeyPackage": package})
        kind = ""
        while kind != "fetch":
            kind, _, _ = frames.receive()

    result = half.order(Order(_service()))

    assert result["ended"] == "completed"
    assert _installed(half) == 1


def test_messages_carry_one_file_each() -> None:
    here, there = socket.socketpair()
    ours, theirs = Frames(here), Frames(there)
    with open(__file__, "rb") as file:  # noqa: PTH123
        ours.send("a", {}, file.fileno())
        ours.send("b", {"x": 1})
        kind, _, received = theirs.receive()
        assert kind == "a"
        assert received is not None
        assert os.pread(received, 3, 0) == b'"""'
        os.close(received)
        assert theirs.receive() == ("b", {"x": 1}, None)
    ours.close()
    with pytest.raises(PeerGoneError):
        theirs.receive()
    theirs.close()


def test_manifest_is_read_from_the_text_that_was_signed() -> None:
    manifest: UpdateManifest = _update().manifest()
    assert manifest.to_json() == _service()["updateManifest"]
