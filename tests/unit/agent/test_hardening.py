"""What an attacker or an accident may hand to an agent, and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.encoding import b64url
from odu_agent.contract.manifest import ManifestError, parse_detached, parse_update_manifest
from odu_agent.contract.rootkeys import RootKey
from odu_agent.contract.twin import acknowledgement
from odu_agent.download import Downloader
from odu_agent.fetching import DownloadError
from odu_agent.halves.frames import FrameError, Frames
from odu_agent.hub import RefusedError
from odu_agent.redaction import RedactingFormatter, one_line
from odu_agent.report_size import brief, ever_smaller
from odu_agent.reporting import Reporter
from odu_agent.state import DeviceState, JsonFile, open_private, private_folder, write_atomically
from odu_agent.verification import VerificationError, Verifier

from tests.unit.agent.fixtures import QUICK, config, file_of, root_keys
from tests.unit.contract import vectors

NOW = 1_900_000_000.0


def _verifier(folder: Path, roots: dict[str, RootKey] | None = None) -> Verifier:
    return Verifier(roots or root_keys(), DeviceState(folder), Downloader(), clock=lambda: NOW)


def _refusal(verifier: Verifier, **changes: Any) -> int | None:
    try:
        verifier.take_over(vectors.signed_package(**changes))
    except VerificationError as error:
        return error.erc
    return None


_UNFIT = {
    "a number beyond all numbers": '{"a": 1e400}',
    "half a surrogate pair": '{"a": "\\ud800"}',
    "33 levels": '{"a":' + "[" * 32 + "]" * 32 + "}",
}


@pytest.mark.parametrize("name", _UNFIT)
def test_1e400_lone_surrogates_and_more_than_32_levels_are_refused(
    tmp_path: Path, name: str
) -> None:
    """Wherever JSON comes from outside: manifest, child, package, the other half, a file."""
    text = _UNFIT[name]

    with pytest.raises(ManifestError):
        parse_update_manifest(text)
    with pytest.raises(ManifestError):
        parse_detached(text)
    with pytest.raises(VerificationError) as refused:
        _verifier(tmp_path).take_over(text.encode())
    assert refused.value.erc == Erc.PACKAGE_NOT_JSON
    here, there = socket.socketpair()
    here.sendall(struct.pack(">I", len(text)) + text.encode())
    with pytest.raises(FrameError):
        Frames(there).receive()
    here.close()
    there.close()
    (tmp_path / "file").write_text(text)
    assert JsonFile(tmp_path / "file").read() == {}, "damaged counts as empty"


@pytest.mark.parametrize("digits", [20, 5000])
async def test_huge_content_length_is_an_error_and_no_traceback(
    tmp_path: Path, digits: int
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * digits + b"\r\n\r\ncontent")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file"
    downloader = Downloader(QUICK)
    with pytest.raises(DownloadError) as caught:
        await asyncio.to_thread(
            downloader.fetch, url, file_of(b"content"), tmp_path / "file", threading.Event()
        )
    with contextlib.suppress(DownloadError):  # what has come is whole where that is no number
        await asyncio.to_thread(downloader.fetch_small, url, 100)
    downloader.close()
    server.close()

    assert caught.value.erc == Erc.DOWNLOAD_TOO_LONG


def test_package_of_the_same_version_with_other_content_is_refused(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    assert _refusal(verifier, version=4) is None
    assert _refusal(verifier, version=4) is None

    assert _refusal(verifier, version=4, published=5) == Erc.PACKAGE_CHANGED_IN_PLACE
    assert _refusal(verifier, version=3) == Erc.PACKAGE_ROLLED_BACK
    assert _refusal(verifier, version=5, published=5) is None


def test_package_that_disables_every_root_is_refused(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)

    assert _refusal(verifier, disabledRootKeys=["root.1", "root.2"]) == Erc.PACKAGE_DISABLES_ALL
    assert _refusal(verifier, disabledRootKeys=["root.1", "unknown"]) is None


def test_package_of_the_future_is_refused(tmp_path: Path) -> None:
    verifier = _verifier(tmp_path)
    day = 24 * 3600

    assert _refusal(verifier, published=int(NOW) + day + 60) == Erc.PACKAGE_FROM_THE_FUTURE
    assert _refusal(verifier, published=int(NOW) + day - 60) is None, "clocks differ"


def test_package_with_exponent_three_is_refused(tmp_path: Path) -> None:
    package = json.loads(vectors.signed_package())
    package["protected"]["rootKeys"]["root.2"]["e"] = 3
    with pytest.raises(VerificationError) as caught:
        _verifier(tmp_path).take_over(json.dumps(package).encode())
    assert caught.value.erc == Erc.PACKAGE_EXPONENT


def test_device_built_with_exponent_three_does_not_start(tmp_path: Path) -> None:
    key = root_keys()["root.1"]
    (tmp_path / "roots.json").write_text(json.dumps({"k": {"n": b64url(key.n), "e": 3}}))

    done = _odu_agent(tmp_path, rootKeysFile="roots.json")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "exponent" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "HostName=h;DeviceId=d",
        "HostName=h;DeviceId=d;SharedAccessKey=###",
        "HostName=h;DeviceId=d;SharedAccessKey=",
        "HostName=h h;DeviceId=d;SharedAccessKey=c2VjcmV0",
        "HostName=h:99999;DeviceId=d;SharedAccessKey=c2VjcmV0",
        "HostName=h:;DeviceId=d;SharedAccessKey=c2VjcmV0",
        "HostName=h;DeviceId=a b;SharedAccessKey=c2VjcmV0",
        "HostName=h;DeviceId=a/b;SharedAccessKey=c2VjcmV0",
        "HostName=h;HostName=i;DeviceId=d;SharedAccessKey=c2VjcmV0",
        "HostName=h;DeviceId=d\nX;SharedAccessKey=c2VjcmV0",
        "HostName=h;DeviceId=d;x509=true",
    ],
)
def test_bad_connection_string_is_one_line_and_exit_code_2(tmp_path: Path, text: str) -> None:
    done = _odu_agent(tmp_path, connection=text)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "connectionData" in done.stderr
    assert "c2VjcmV0" not in done.stderr


def test_configuration_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    done = _odu_agent(tmp_path, bom=True, connection="nonsense")

    assert "connectionData" in done.stderr


def _odu_agent(
    folder: Path, *, connection: str | None = None, bom: bool = False, **changes: Any
) -> subprocess.CompletedProcess[str]:
    keys = {kid: {"n": b64url(key.n), "e": key.e} for kid, key in root_keys().items()}
    (folder / "good-roots.json").write_text(json.dumps(keys))
    text = connection or "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0"
    source = {"connectionType": "string", "connectionData": text}
    agent = {"manufacturer": "m", "model": "o", "connectionSource": source}
    members = {
        "manufacturer": "m",
        "model": "o",
        "dataFolder": "data",
        "rootKeysFile": "good-roots.json",
        "agents": [agent],
        **changes,
    }
    content = ("\ufeff" if bom else "") + json.dumps(members)
    (folder / "du-config.json").write_text(content, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "odu_agent", "--config", str(folder / "du-config.json")],
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "agent"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class _Hub:
    """Refuses whatever is larger than it takes."""

    def __init__(self, limit: int, text_limit: int = 4096) -> None:
        self.limit, self.text_limit = limit, text_limit
        self.taken: list[dict[str, Any]] = []

    async def take(self, patch: dict[str, Any]) -> None:
        if len(json.dumps(patch)) > self.limit or _longest(patch) > self.text_limit:
            raise RefusedError(400)
        self.taken.append(patch)


def _longest(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_longest(part) for part in parts), default=0)


def _report(details: str, steps: int) -> dict[str, Any]:
    step = {"resultCode": 0, "extendedResultCodes": "0000000C", "resultDetails": details}
    result = {**step, "stepResults": {f"step_{index}": step for index in range(steps)}}
    agent = {"lastInstallResult": result, "state": 255, "workflow": {"action": 3, "id": "w"}}
    return {"deviceUpdate": {"__t": "c", "agent": agent}}


@pytest.mark.parametrize(("limit", "is_step_left"), [(10_000, True), (2_000, False)])
async def test_report_that_is_refused_for_good_is_cut_and_later_ones_follow(
    limit: int, is_step_left: bool
) -> None:
    hub, reporter = _Hub(limit), Reporter(first_wait_seconds=0.001)
    reporter.put(_report("x" * 5000, 100 if not is_step_left else 60))
    reporter.put({"deviceUpdate": {"__t": "c", "agent": {"odd": "y" * 50_000}}})
    reporter.put({"last": 1})

    await _drain(reporter, hub)

    first, last = hub.taken
    assert last == {"last": 1}
    agent = first["deviceUpdate"]["agent"]
    assert (agent["state"], agent["workflow"]["id"]) == (255, "w")
    assert agent["lastInstallResult"]["extendedResultCodes"] == "0000000C"
    assert (agent["lastInstallResult"]["stepResults"] is not None) == is_step_left


async def _drain(reporter: Reporter, hub: _Hub) -> None:
    task = asyncio.create_task(reporter.run(hub.take))
    await asyncio.wait_for(reporter.drained(), 30)
    task.cancel()


def test_acknowledgement_that_is_refused_goes_without_its_value() -> None:
    *_, last = ever_smaller(acknowledgement({"updateManifest": "x" * 5000}, 7))

    assert last["deviceUpdate"]["service"] == {"value": None, "ac": 200, "ad": "", "av": 7}


def test_details_are_one_line_without_secrets() -> None:
    text = "no space\nERROR forged line\x1b[2J\u2028 https://h/a?sig=secret " + "z" * 1000

    line = brief(text)

    assert line is not None
    assert "\n" not in line
    assert "\x1b" not in line
    assert "\u2028" not in line
    assert "secret" not in line
    assert len(line) == 512


@pytest.mark.parametrize("char", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u202e", "\x00", "\ud800"])
def test_no_line_break_or_escape_from_outside_reaches_a_log_line(char: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)

    logger.warning("workflow %s", f"w{char}ERROR forged")
    logger.warning("broke", exc_info=ValueError(f"x{char}ERROR forged"))

    lines = stream.getvalue().split("\n")
    assert lines[0] == f"WARNING workflow w{one_line(char)}ERROR forged"
    assert not any(line.startswith("ERROR forged") for line in lines)
    assert char == "\n" or char not in stream.getvalue()


def test_folders_are_0700_and_files_0600(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    state = DeviceState(private_folder(folder))

    state.save_log_result("op", 1)
    state.save_root_key_package(b"{}")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600, 0o600]


def test_no_symlink_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    data = private_folder(tmp_path / "data")
    (data / "state.json.new").symlink_to(victim)
    (data / "root-key-package.json").symlink_to(victim)

    write_atomically(data / "state.json", b"{}")

    assert victim.read_text() == "precious"
    assert not (data / "state.json").is_symlink()
    with pytest.raises(OSError, match=r"symbolic links|Too many"):
        open_private(data / "root-key-package.json", "rb")


def test_data_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "data")


def test_data_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)

    with pytest.raises(PermissionError):
        private_folder(tmp_path)


def test_settings_do_not_show_the_key() -> None:
    assert "c2VjcmV0" not in repr(config(Path("x")))
