"""What an agent keeps over a restart: read back as written, and never trusted to be whole."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from odu_agent.state import DeviceState, JsonFile, open_private, private_folder, write_atomically

ENTRIES = [{"workflowId": "w1"}, {"workflowId": "w2"}]
REPORT = {"agent": {"state": 0}}


@pytest.fixture
def state(tmp_path: Path) -> DeviceState:
    return DeviceState(tmp_path / "data")


def keep(state: DeviceState, document: dict[str, Any]) -> None:
    write_atomically(state.folder / "state.json", json.dumps(document).encode())


def test_nothing_was_kept_at_first(state: DeviceState) -> None:
    assert state.finished() == []
    assert state.begun() is None
    assert state.last_report("w1") is None
    assert state.unsent_report() is None
    assert state.log_result() == (None, None)
    assert state.root_key_package() is None
    assert state.highest_version("acme", "kiosk") is None


@pytest.mark.parametrize("damage", [5, "text", [1], None, True])
def test_damaged_members_count_as_absent(state: DeviceState, damage: object) -> None:
    names = ("begun", "lastReport", "logs", "highestVersions")
    keep(state, dict.fromkeys(names, damage))

    assert state.begun() is None
    assert state.last_report("w1") is None
    assert state.unsent_report() is None
    assert state.log_result() == (None, None)
    assert state.highest_version("acme", "kiosk") is None


def test_damaged_values_within_members_count_as_absent(state: DeviceState) -> None:
    keep(
        state,
        {
            "finished": [*ENTRIES, "w3", None],
            "lastReport": {"workflowId": "w1", "patch": "text", "isSent": False},
            "logs": {"operationId": 1, "resultCode": "200"},
            "highestVersions": {'["acme", "kiosk"]': 2},
        },
    )

    assert state.finished() == ENTRIES
    assert state.last_report("w1") is None
    assert state.unsent_report() is None
    assert state.log_result() == (None, None)
    assert state.highest_version("acme", "kiosk") is None
    keep(state, {"lastReport": {"workflowId": 1, "patch": REPORT, "isSent": False}})
    assert state.unsent_report() is None


def test_everything_is_read_back_beside_the_rest(state: DeviceState) -> None:
    state.save_begun({"service": 1})
    state.save_finished(ENTRIES[:1])
    state.save_log_result("logs-1", 200)
    state.save_highest_version("acme", "kiosk", "1.0")
    state.save_highest_version("acme", "gate", "2.0")
    state.save_root_key_package(b"{}")

    assert state.begun() == {"service": 1}
    assert state.finished() == ENTRIES[:1]
    assert state.log_result() == ("logs-1", 200)
    assert state.highest_version("acme", "kiosk") == "1.0"
    assert state.highest_version("acme", "gate") == "2.0"
    assert state.root_key_package() == b"{}"
    assert state.downloads == state.folder / "downloads"


def test_names_with_separators_are_not_mixed_up(state: DeviceState) -> None:
    state.save_highest_version("a", "b.c", "1.0")

    assert state.highest_version("a.b", "c") is None


def test_an_end_takes_the_place_of_what_was_begun(state: DeviceState) -> None:
    state.save_begun({"service": 1})
    state.save_end(ENTRIES, "w2", REPORT)

    assert state.begun() is None
    assert state.finished() == ENTRIES
    assert state.last_report("w2") == REPORT
    assert state.last_report("w1") is None


def test_a_report_waits_until_the_hub_has_taken_it(state: DeviceState) -> None:
    state.save_end(ENTRIES, "w2", REPORT)
    assert state.unsent_report() == ("w2", REPORT)

    state.save_sent("w1")
    assert state.unsent_report() == ("w2", REPORT)

    state.save_sent("w2")
    assert state.unsent_report() is None
    assert state.last_report("w2") == REPORT


def test_an_end_without_a_report_keeps_the_last_one(state: DeviceState) -> None:
    state.save_end(ENTRIES[:1], "w1", REPORT)
    state.save_end(ENTRIES, "w2", None)

    assert state.unsent_report() == ("w1", REPORT)
    assert state.finished() == ENTRIES


def test_a_damaged_file_counts_as_empty_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b'{"a": 1')

    assert JsonFile(path).read() == {}
    assert "state.json is damaged" in caplog.text
    JsonFile(path).update({"b": 2})
    assert JsonFile(path).read() == {"b": 2}


def test_files_and_folders_are_for_their_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"1")
    write_atomically(path, b"2")

    assert path.read_bytes() == b"2"
    assert [item.name for item in path.parent.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("bits", [0o710, 0o701, 0o755])
def test_a_folder_that_others_may_enter_is_closed(tmp_path: Path, bits: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(bits)

    assert private_folder(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_in_place_of_a_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    with pytest.raises(NotADirectoryError, match="a folder of the agent is a link") as raised:
        private_folder(tmp_path / "folder")
    assert raised.value.filename == str(tmp_path / "folder")
    with pytest.raises(OSError, match="link"):
        open_private(tmp_path / "link", "rb")


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(PermissionError, match="another user's") as raised:
        private_folder(tmp_path)
    assert raised.value.filename == str(tmp_path)


def test_a_leftover_of_a_power_cut_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.with_name("file.new").write_bytes(b"half")

    write_atomically(path, b"whole")

    assert path.read_bytes() == b"whole"
