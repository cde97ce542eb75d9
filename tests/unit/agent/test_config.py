from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from odu_agent.__main__ import EXIT_BAD_CONFIG, main
from odu_agent.config import ConfigError, load_config
from odu_agent.contract.encoding import b64url
from odu_agent.redaction import RedactingFormatter, redact
from odu_agent.state import DeviceState, JsonFile

from .fixtures import root_keys


def _write(folder: Path, **changes: Any) -> Path:
    agent = {
        "name": "main",
        "runas": "adu",
        "connectionSource": {
            "connectionType": "string",
            "connectionData": "HostName=hub;DeviceId=d;ModuleId=m;SharedAccessKey=c2VjcmV0",
        },
        "manufacturer": "contoso",
        "model": "vacuum",
        "additionalDeviceProperties": {"location": "lab"},
    }
    members = {
        "schemaVersion": "1.1",
        "aduShellTrustedUsers": [],
        "manufacturer": "Contoso",
        "model": "Vacuum",
        "compatPropertyNames": "manufacturer, model,location",
        "rootKeysFile": "roots.json",
        "dataFolder": "data",
        "proxy": "127.0.0.1:8080",
        "downloadTimeoutInMinutes": 2,
        "simulator": True,
        "agents": [{**agent, **changes.pop("agent", {})}],
        **changes,
    }
    keys = {kid: {"n": b64url(b"\0" + key.n), "e": key.e} for kid, key in root_keys().items()}
    (folder / "roots.json").write_text(json.dumps(keys))
    path = folder / "du-config.json"
    path.write_text(json.dumps(members))
    return path


def test_config_is_read_as_the_public_agents(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))

    assert config.device_name == "d/m"
    assert config.device_properties == {
        "location": "lab",
        "manufacturer": "contoso",
        "model": "vacuum",
    }
    assert config.compatibility_names == ("manufacturer", "model", "location")
    assert config.information == {"manufacturer": "Contoso", "model": "Vacuum"}
    assert config.data_folder == tmp_path / "data"
    assert config.proxy == ("127.0.0.1", 8080)
    assert config.download_timeout_seconds == 120
    assert config.simulator == {}
    assert config.allow_downgrade
    assert not config.report_phases
    assert set(config.root_keys) == set(root_keys())


def test_config_names_the_folders_with_logs(tmp_path: Path) -> None:
    components = [{"componentName": "adu", "logPath": "log/"}]

    usual = load_config(_write(tmp_path, logComponents=components))
    greedy = load_config(_write(tmp_path, maxKilobytesToUploadPerLogPath=10**9))

    assert usual.log_components == {"adu": tmp_path / "log"}
    assert usual.maximum_log_bytes == 50 * 1024
    assert greedy.log_components == {}
    assert greedy.maximum_log_bytes == 100_000 * 1024


def test_config_shows_no_key(tmp_path: Path) -> None:
    assert "c2VjcmV0" not in repr(load_config(_write(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"agents": []}, "agents"),
        ({"agents": [7]}, "agents"),
        ({"model": None}, "model"),
        ({"rootKeysFile": None}, "rootKeysFile"),
        ({"rootKeysFile": "absent.json"}, "absent.json"),
        ({"rootKeysFile": "empty.json"}, "empty.json"),
        ({"proxy": "host"}, "proxy"),
        ({"proxy": "host:0"}, "proxy"),
        ({"reportPhases": "yes"}, "reportPhases"),
        ({"downloadTimeoutInMinutes": True}, "downloadTimeoutInMinutes"),
        ({"simulator": 7}, "simulator"),
        ({"agent": {"manufacturer": 7}}, "manufacturer"),
        ({"agent": {"connectionSource": {"connectionType": "TPM"}}}, "connectionType"),
        ({"agent": {"additionalDeviceProperties": {"a": 1}}}, "additionalDeviceProperties"),
        ({"logComponents": [7]}, "logComponents"),
        ({"logComponents": [{"componentName": "a/b", "logPath": "log"}]}, "componentName"),
        ({"logComponents": [{"componentName": "a"}]}, "logPath"),
        ({"maxKilobytesToUploadPerLogPath": 0}, "maxKilobytesToUploadPerLogPath"),
    ],
)
def test_config_is_refused_when_a_setting_is_wrong(
    tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    (tmp_path / "empty.json").write_text("{}")
    path = _write(tmp_path, **changes)

    with pytest.raises(ConfigError, match=name):
        load_config(path)


def test_command_ends_with_a_message_when_the_config_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(tmp_path / "absent.json")]) == EXIT_BAD_CONFIG
    assert "absent.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "GET https://a.blob/x?sv=1&sig=SECRET%3D done",
        "HostName=h;SharedAccessKey=SECRET=;DeviceId=d",
        "SharedAccessSignature SECRET",
        "'sig=SECRET'",
    ],
)
def test_redact_cuts_what_opens_doors(text: str) -> None:
    assert "SECRET" not in redact(text)


def test_redact_leaves_other_text() -> None:
    assert redact("GET https://a.blob/x done") == "GET https://a.blob/x done"


def test_log_lines_and_tracebacks_are_redacted() -> None:
    try:
        int("http://x/y?sig=SECRET")
    except ValueError:
        record = logging.LogRecord("n", logging.INFO, "", 0, "m", None, sys.exc_info())

    line = RedactingFormatter("%(message)s").format(record)

    assert "http://x/y?[redacted]" in line
    assert "SECRET" not in line


def test_state_is_empty_when_its_file_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    state = DeviceState(tmp_path)

    assert state.finished() == []
    state.save_highest_version("p", "n", "1.0")
    assert state.highest_version("p", "n") == "1.0"
    assert state.highest_version("p", "other") is None


def test_json_file_keeps_the_members_it_is_not_given(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "folder" / "x.json")
    file.update({"a": 1})
    file.update({"b": 2})

    assert file.read() == {"a": 1, "b": 2}
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["x.json"]
