from __future__ import annotations

import json

import pytest

from shared.domain.errors import InvalidInput
from shared.settings import ScanSettings, Settings, TelemetrySettings, read_settings
from tests.builders.settings import SECRETS, environment


def refusal(**changes: str | None) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_settings(environment(**changes))
    return refused.value.message


def test_settings_are_read_with_their_defaults() -> None:
    settings = read_settings(environment())

    assert settings.state.connection_string == SECRETS["STATE"]
    assert settings.content.blob_uri == "https://content.blob.example"
    assert settings.instances["factory"].hub_connection_string == SECRETS["HUB"]
    assert settings.instances["shop"].hub_connection_string is None
    assert [item.hub_name for item in settings.instances.values()] == ["hub", "shop-hub"]
    logs = [item.diagnostics_container for item in settings.instances.values()]
    assert logs == ["diagnostics", "shop-logs"]
    assert settings.public_url == "https://du.example"
    assert settings.allow_loopback_sources is False
    assert settings.hub_commands_per_second == 5.7
    assert settings.rollup_delay_seconds == 1.0


def test_scanners_are_chosen_by_a_setting() -> None:
    chosen = read_settings(
        environment(
            SCAN_ENGINES="yara-x, Clamd,defender",
            CLAMD_ADDRESS="tcp://127.0.0.1:3310",
            DEFENDER_WAIT_SECONDS="60",
            SCAN_MAX_MEMBERS="50000",
        )
    ).scan

    assert read_settings(environment()).scan == ScanSettings()
    assert chosen.engines == ("yara-x", "clamd", "defender")
    assert chosen.clamd_address == "tcp://127.0.0.1:3310"
    assert (chosen.defender_wait_seconds, chosen.max_members) == (60.0, 50_000)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SCAN_ENGINES": "norton"}, "SCAN_ENGINES must be some of yara-x, clamd, defender"),
        ({"SCAN_ENGINES": ""}, "SCAN_ENGINES must be some of"),
        ({"SCAN_ENGINES": "clamd"}, "CLAMD_ADDRESS must be"),
        ({"SCAN_ENGINES": "clamd", "CLAMD_ADDRESS": "http://x"}, "CLAMD_ADDRESS must be"),
        ({"DEFENDER_WAIT_SECONDS": "0"}, "DEFENDER_WAIT_SECONDS must be"),
    ],
)
def test_scanners_that_cannot_be_are_refused(changes: dict[str, str], complaint: str) -> None:
    assert complaint in refusal(**changes)


def test_settings_show_no_secret() -> None:
    shown = repr(read_settings(environment()))

    assert "canary" not in shown


@pytest.mark.parametrize(
    "name",
    [
        "STATE",
        "INSTANCES",
        "HUB",
        "TOKEN_ISSUER",
        "TOKEN_AUDIENCE",
        "TOKEN_TENANT",
        "TOKEN_JWKS_URI",
        "EVENTS_TOPIC_ENDPOINT",
        "SIGNING_DIRECTORY",
        "SOURCE_URL_KEY",
        "PUBLIC_URL",
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_missing_setting_is_named(name: str, value: str | None) -> None:
    assert name in refusal(**{name: value})


def test_every_wrong_setting_is_named_at_once() -> None:
    message = refusal(
        STATE=None,
        CONTENT__blobServiceUri=None,
        TOKEN_TENANT=None,
        HUB=None,
        ROLLUP_DELAY_SECONDS="soon",
        DOWNLOAD_LINK_HOURS="-1",
        HUB_COMMANDS_PER_SECOND="inf",
        IMPORT_DROP_WAIT_SECONDS="nan",
    )

    for name in (
        "STATE",
        "CONTENT",
        "TOKEN_TENANT",
        "HUB",
        "ROLLUP_DELAY_SECONDS",
        "DOWNLOAD_LINK_HOURS",
        "HUB_COMMANDS_PER_SECOND",
        "IMPORT_DROP_WAIT_SECONDS",
    ):
        assert name in message
    assert "canary" not in message


@pytest.mark.parametrize(
    "value", ["{", "5", "{}", '["x"]', "[{}]", '[{"id":"a"}]', '[{"iotHub":"h"}]', "[]", "null"]
)
def test_malformed_instances_are_refused(value: str) -> None:
    assert "INSTANCES" in refusal(INSTANCES=value)


@pytest.mark.parametrize("identity", ["", "ab", "a/b", "a.b", "ä12", "-abc", "a--b", "a" * 37])
def test_ids_that_are_no_instance_are_refused(identity: str) -> None:
    entry = {"id": identity, "iotHub": "hub.example"}
    assert "3 to 36 letters" in refusal(INSTANCES=json.dumps([entry]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"id": "factory"}, "id"),
        ({"iotHub": "hub.elsewhere"}, "hubName"),
        ({"diagnosticsContainer": "diagnostics"}, "diagnosticsContainer"),
    ],
)
def test_instances_share_nothing(changes: dict[str, str], what: str) -> None:
    first = {"id": "factory", "iotHub": "hub.example"}
    second = {"id": "shop", "iotHub": "shop.example", "diagnosticsContainer": "shop-logs"}
    message = refusal(INSTANCES=json.dumps([first, {**second, **changes}]))
    assert f"two instances have the same {what}" in message


def test_state_with_identity_needs_both_of_its_services() -> None:
    message = refusal(STATE=None, STATE__tableServiceUri="https://state.table.example")

    assert "STATE__queueServiceUri" in message


def test_numbers_are_read_when_given() -> None:
    settings: Settings = read_settings(
        environment(DOWNLOAD_LINK_HOURS="1.5", FETCH_ALLOW_LOOPBACK="TRUE")
    )

    assert (settings.link_hours, settings.allow_loopback_sources) == (1.5, True)


def test_signing_keys_are_in_a_vault_when_that_is_set_instead() -> None:
    vault = "https://keys.vault.example"

    settings = read_settings(environment(SIGNING_DIRECTORY=None, SIGNING_VAULT_URL=vault))

    assert (settings.signing_directory, settings.signing_vault_url) == (None, vault)


def test_signing_keys_cannot_be_in_two_places() -> None:
    assert "not both" in refusal(SIGNING_VAULT_URL="https://keys.vault.example")


def test_telemetry_is_off_unless_a_setting_says_where_it_goes() -> None:
    connection = "InstrumentationKey=00000000-0000-0000-0000-000000000000"
    assert not read_settings(environment()).telemetry.is_on
    assert not read_settings(
        environment(APPLICATIONINSIGHTS_CONNECTION_STRING=connection)
    ).telemetry.is_on

    assert read_settings(
        environment(
            TELEMETRY="azure-monitor",
            TELEMETRY_SAMPLING="0.1",
            APPLICATIONINSIGHTS_CONNECTION_STRING=connection,
        )
    ).telemetry == TelemetrySettings("azure-monitor", "", connection, 0.1)
    otlp = environment(TELEMETRY="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318")
    assert read_settings(otlp).telemetry.endpoint == "http://localhost:4318"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"TELEMETRY": "jaeger"}, "TELEMETRY must be one of"),
        ({"TELEMETRY": "otlp"}, "OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        ({"TELEMETRY": "azure-monitor"}, "APPLICATIONINSIGHTS_CONNECTION_STRING is not set"),
        ({"TELEMETRY_SAMPLING": "1.5"}, "TELEMETRY_SAMPLING must be at most 1"),
        ({"TELEMETRY_SAMPLING": "0"}, "TELEMETRY_SAMPLING must be a number above 0"),
    ],
)
def test_telemetry_that_cannot_be_is_refused(changes: dict[str, str], complaint: str) -> None:
    assert complaint in refusal(**changes)
