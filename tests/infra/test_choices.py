"""What a deployment may choose beside the two files of values, in both languages."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from local.tools.capacity import Hub
from tests.infra.agreement import disagreements
from tests.infra.bicep.deployment import bicep_site
from tests.infra.profiles import PROFILES, given_to_bicep, given_to_terraform, snake
from tests.infra.same import differences
from tests.infra.site import Site
from tests.infra.terraform.deployment import terraform_site
from tests.infra.values import TemplateError

_EVENTS_A_UNIT = 1000
"""Events a second that one throughput unit takes in.

https://learn.microsoft.com/azure/event-hubs/event-hubs-scalability#throughput-units
"""
_ADDED = {
    "additionalInstances": [
        {
            "diagnosticsContainer": "d",
            "hubName": "b",
            "id": "second",
            "iotHub": "b.azure-devices.net",
        }
    ],
    "additionalEndpoints": [
        {"name": "own", "endpointUri": "sb://own.servicebus.windows.net", "entityPath": "all"}
    ],
    "additionalRoutes": [
        {
            "name": "telemetry",
            "source": "DeviceMessages",
            "condition": "true",
            "endpointNames": ["own", "events"],
        }
    ],
    "additionalSubnets": [{"name": "machines", "addressPrefix": "10.60.0.128/26"}],
}


def _sites(profile: str, **chosen: Any) -> tuple[Site, Site]:
    return (
        bicep_site(given_to_bicep(profile, is_full=True) | chosen),
        terraform_site(given_to_terraform(profile, is_full=True) | snake(chosen)),
    )


@pytest.mark.parametrize(
    "chosen",
    [
        {"hubSystemIdentity": True},
        {"defenderScan": "off"},
        {"defenderScan": "leave"},
        {"contentSystemTopic": "made-by-defender"},
        {"twinMaximumThroughputUnits": 40},
        {"optionalSettings": {"HUB_COMMANDS_PER_SECOND": "29"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("profile", PROFILES)
def test_both_languages_do_the_same_with_a_choice(profile: str, chosen: dict[str, Any]) -> None:
    bicep, terraform = _sites(profile, **chosen)

    assert differences(bicep, terraform) == []
    assert disagreements(bicep) == []


def test_what_an_operator_added_is_deployed_again_and_again() -> None:
    bicep, terraform = _sites("prod", **_ADDED)

    assert differences(bicep, terraform) == []
    instances = json.loads(bicep.settings["INSTANCES"])
    assert [item["id"] for item in instances] == ["main", "second"]
    routing = bicep.one("Microsoft.Devices/IotHubs").properties["routing"]
    assert [item["name"] for item in routing["routes"]][-1] == "telemetry"
    assert [item["name"] for item in routing["endpoints"]["eventHubs"]] == ["twins", "own"]
    network = bicep.one("Microsoft.Network/virtualNetworks")
    names = [item["name"] for item in network.properties["subnets"]]
    assert names == ["app", "endpoints", "machines"]


def test_defender_is_turned_off_again() -> None:
    [settings] = _sites("prod", defenderScan="off")[0].of(
        "Microsoft.Security/defenderForStorageSettings"
    )

    assert settings.properties["isEnabled"] is False
    assert settings.properties["malwareScanning"]["onUpload"]["isEnabled"] is False


@pytest.mark.parametrize(("units", "needed"), [(1, 1), (10, 3)])
def test_stream_carries_what_the_hub_sends(units: int, needed: int) -> None:
    """The default grows to what ten units of S3, the fastest that the capacity table has, send."""
    assert math.ceil(Hub("S3", units).twin_updates_a_second / _EVENTS_A_UNIT) == needed
    namespace = _sites("prod")[0].one("Microsoft.EventHub/namespaces")

    assert namespace.properties["isAutoInflateEnabled"] is True
    assert namespace.properties["maximumThroughputUnits"] >= needed


def test_stream_of_a_fixed_size_does_not_grow() -> None:
    bicep, terraform = _sites("prod", twinMaximumThroughputUnits=1)

    assert differences(bicep, terraform) == []
    properties = bicep.one("Microsoft.EventHub/namespaces").properties
    assert properties["isAutoInflateEnabled"] is False
    assert properties["maximumThroughputUnits"] == 0


@pytest.mark.parametrize("name", ["operatorPrincipalId", "applicationClientId"])
def test_who_deploys_is_asked_for_what_no_default_can_know(name: str) -> None:
    for profile in PROFILES:
        given = given_to_bicep(profile, is_full=True)
        others = given_to_terraform(profile, is_full=True)
        del given[name], others[next(iter(snake({name: None})))]

        with pytest.raises(TemplateError, match="not given"):
            bicep_site(given)
        with pytest.raises(TemplateError, match="not given"):
            terraform_site(others)
