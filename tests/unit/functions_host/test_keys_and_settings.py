from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.faults import load_faults
from local.cloud.functions_host.keys import Keys, load_or_create_keys
from local.cloud.functions_host.settings import Settings, load_local_settings

KEYS = Keys("master", {"default": "host"}, {"blobs_extension": "blobs"}, {"f": {"default": "own"}})


def test_each_key_opens_what_it_is_for() -> None:
    given = ["master", "host", "own", "blobs", "", None, "mast"]

    assert [key for key in given if KEYS.opens_admin(key)] == ["master"]
    assert [key for key in given if KEYS.opens_function("f", key)] == ["master", "host", "own"]
    assert [key for key in given if KEYS.opens_function("g", key)] == ["master", "host"]
    assert [key for key in given if KEYS.opens_webhook("blobs_extension", key)] == [
        "master",
        "blobs",
    ]
    assert [key for key in given if KEYS.opens_webhook("other", key)] == ["master"]


def test_keys_do_not_show_themselves() -> None:
    assert "master" not in repr(KEYS)


def test_made_keys_are_read_back_and_differ_from_each_other(tmp_path: Path) -> None:
    first, again = (load_or_create_keys(tmp_path / "keys.json") for _ in range(2))
    other = load_or_create_keys(tmp_path / "other.json")

    assert first == again
    assert len({first.master, other.master, *first.host.values(), *first.system.values()}) == 5


@pytest.mark.parametrize(
    "document", [[], {}, {"master": ""}, {"master": "m", "host": {"default": 1}}]
)
def test_a_key_file_is_refused_when_it_has_another_form(tmp_path: Path, document: object) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(document))

    with pytest.raises(StartError, match="keys file"):
        load_or_create_keys(path)


def test_local_settings_give_way_to_the_environment(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"A": "file", "B": "file"}}')
    environment = {"A": "environment"}

    load_local_settings(tmp_path, environment)

    assert environment == {"A": "environment", "B": "file"}


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": []}'])
def test_local_settings_are_refused_when_they_are_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.settings.json").write_text(text)

    with pytest.raises(StartError, match=r"local\.settings\.json"):
        load_local_settings(tmp_path, {})


def test_a_connection_is_looked_up_with_and_without_the_prefix() -> None:
    settings = Settings({"AzureWebJobsSTATE": "prefixed", "STATE": "bare", "CONTENT": "bare"})

    assert settings.connection("STATE") == "prefixed"
    assert settings.connection("CONTENT") == "bare"
    with pytest.raises(StartError, match="OTHER"):
        settings.connection("OTHER")


def test_a_function_is_disabled_by_a_setting_of_its_name() -> None:
    found = Settings({"AzureWebJobs.sweep.Disabled": "True", "AzureWebJobs.recount.Disabled": "0"})

    assert found.is_disabled("sweep")
    assert not found.is_disabled("recount")
    assert not found.is_disabled("announce")


def test_references_to_settings_are_replaced() -> None:
    assert Settings({"A": "1"}).expand("x-%A%-%A%-100%") == "x-1-1-100%"


def test_faults_are_counted_as_asked_for() -> None:
    faults = load_faults({"ODU_HOST_FAULTS": '{"duplicateQueueMessages": ["q"]}'})

    assert [faults.keep_for_duplicate("q", "1") for _ in range(3)] == [True, False, True]
    assert not faults.keep_for_duplicate("other", "1")
    assert not load_faults({}).keep_for_duplicate("q", "1")
    with pytest.raises(StartError, match="ODU_HOST_FAULTS"):
        load_faults({"ODU_HOST_FAULTS": "[]"})
