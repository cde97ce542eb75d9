"""The templates deploy what the program needs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.infra import program
from tests.infra.agreement import disagreements
from tests.infra.site import OPERATOR, parameters, site
from tests.infra.syntax import INFRA

PROFILES = ("dev", "prod")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of a template that must not pass, and what is said of it."""

    name: str
    file: str
    right: str
    wrong: str
    complaint: str


MISTAKES = (
    Mistake(
        "missing setting",
        "modules/app.bicep",
        "    TOKEN_TENANT: tenant().tenantId\n",
        "",
        "TOKEN_TENANT is not set",
    ),
    Mistake(
        "missing setting of a trigger",
        "modules/app.bicep",
        "    TWINS__clientId: identityClientId\n",
        "",
        "setting missing: TWINS__clientId",
    ),
    Mistake(
        "setting that nothing reads",
        "modules/app.bicep",
        "    PUBLIC_URL:",
        "    PUBLIC_ADDRESS: 'x'\n    PUBLIC_URL:",
        "setting surplus: PUBLIC_ADDRESS",
    ),
    Mistake(
        "renamed queue", "main.bicep", "'fanout'", "'fan-out'", "queue of STATE missing: fanout"
    ),
    Mistake(
        "surplus role",
        "main.bicep",
        "roleId: roles.blobDataReader",
        "roleId: roles.blobDataContributor",
        "role surplus: ('app', 'Storage Blob Data Contributor', 'content/manifests')",
    ),
    Mistake(
        "role on too much",
        "modules/keyvault.bicep",
        "  scope: signingKey\n",
        "  scope: vault\n",
        "role surplus: ('app', 'Key Vault Crypto User', 'kv-')",
    ),
    Mistake(
        "wrong event type",
        "modules/events.bicep",
        "'Microsoft.Devices.DeviceDeleted'",
        "'Microsoft.Devices.DeviceTelemetry'",
        "subscription device-lifecycle: event types",
    ),
    Mistake(
        "wrong filter",
        "modules/events.bicep",
        "subjectEndsWith: 'scan.json'",
        "subjectEndsWith: '.json'",
        "subscription quarantined: end",
    ),
    Mistake(
        "wrong function",
        "modules/events.bicep",
        "functions/apply_twin_changes",
        "functions/relay_twin_changes",
        "subscription twin-changes: destination",
    ),
    Mistake(
        "wrong schema",
        "modules/events.bicep",
        "eventDeliverySchema: 'CloudEventSchemaV1_0'",
        "eventDeliverySchema: 'EventGridSchema'",
        "subscription twin-changes: schema",
    ),
    Mistake(
        "customers' events on the topic of the service",
        "main.bicep",
        "customers!.outputs.endpoint",
        "eventgrid.outputs.topicEndpoint",
        "CUSTOMER_TOPIC_ENDPOINT is not that of the topic",
    ),
    Mistake(
        "missing subscription",
        "modules/events.bicep",
        "name: 'import-drop'",
        "name: 'import-drops'",
        "subscription missing: import-drop",
    ),
    Mistake(
        "missing container",
        "main.bicep",
        ", 'diagnostics']",
        "]",
        "container of CONTENT missing: diagnostics",
    ),
    Mistake(
        "wrong table", "main.bicep", "'Rollups'", "'RollUps'", "table of STATE missing: Rollups"
    ),
    Mistake(
        "wrong consumer group",
        "modules/eventhubs.bicep",
        "name: 'odu'",
        "name: '$Default'",
        "consumer group missing: odu",
    ),
    Mistake(
        "wrong event hub",
        "modules/eventhubs.bicep",
        "name: 'twins'",
        "name: 'changes'",
        "event hub missing: twins",
    ),
    Mistake(
        "wrong source of a route",
        "modules/hub.bicep",
        "source: 'TwinChangeEvents'",
        "source: 'DeviceConnectionStateEvents'",
        "hub route missing: TwinChangeEvents",
    ),
    Mistake(
        "setting that Flex forbids",
        "modules/app.bicep",
        "    AZURE_CLIENT_ID:",
        "    FUNCTIONS_WORKER_RUNTIME: 'python'\n    AZURE_CLIENT_ID:",
        "setting forbidden: FUNCTIONS_WORKER_RUNTIME",
    ),
    Mistake(
        "plain storage setting",
        "modules/app.bicep",
        "    AZURE_CLIENT_ID:",
        "    AzureWebJobsStorage: ''\n    AZURE_CLIENT_ID:",
        "setting forbidden: AzureWebJobsStorage",
    ),
    Mistake(
        "secret in an output",
        "modules/storage.bicep",
        "output name string = account.name",
        "output name string = account.listKeys().keys[0].value",
        "secret in output name of modules/storage.bicep",
    ),
    Mistake(
        "secret in a setting",
        "modules/app.bicep",
        "    AZURE_CLIENT_ID:",
        "    EVENTS_TOPIC_KEY: listKeys(topicEndpoint, '2025-02-15').key1\n    AZURE_CLIENT_ID:",
        "secret in EVENTS_TOPIC_KEY",
    ),
    Mistake(
        "foreign app role",
        "modules/application.bicep",
        "'DeviceUpdateReader'",
        "'Reader'",
        "app role missing: DeviceUpdateReader",
    ),
    Mistake(
        "connection to the other account",
        "main.bicep",
        "stateEndpoints: state.outputs.endpoints",
        "stateEndpoints: content.outputs.endpoints",
        "table of STATE missing: Devices",
    ),
)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("operator", ["", OPERATOR])
def test_templates_agree_with_the_program(profile: str, operator: str) -> None:
    given = parameters(profile) | {"operatorPrincipalId": operator}

    assert disagreements(site(given)) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda item: item.name)
def test_agreement_is_refused_when_a_template_has_a_mistake(mistake: Mistake) -> None:
    source = (INFRA / mistake.file).read_text(encoding="utf-8")
    changed = source.replace(mistake.right, mistake.wrong, 1)
    assert changed != source

    given = parameters("dev") | {"customerEvents": True}
    found = disagreements(site(given, {mistake.file: changed}))

    assert any(mistake.complaint in text for text in found), found


def test_optional_settings_are_known_to_the_program() -> None:
    for profile in PROFILES:
        given = parameters(profile).get("optionalSettings", {})
        asked, _ = program.read(given)
        assert given.keys() <= asked - program.LOCAL_ONLY
