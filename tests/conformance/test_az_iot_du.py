"""The requests of `az iot du`, command by command, as Azure's command line sends them.

Its extension brings a data-plane client of its own: it leaves out what is not given, writes times
with a `Z`, quotes every value of the query and gives `devices:import` an object.
"""

from __future__ import annotations

import json
import ssl
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.conformance.agents import both_agents
from tests.conformance.sdk import VERSIONS
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from local.rest import Rest
    from local.stack.running import Stack
    from tests.sources import Sources

USER_AGENT = (
    "azsdk-python-iot-deviceupdate/1.0.0b1 Python/3.12.8 (Linux-6.8) AZURECLI/2.70.0 (DEB)"
    " IoTPlatformCliExtension/0.26.0"
)
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service says; `body` is None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Az:
    """Sends what the extension sends."""

    stack: Stack
    session: aiohttp.ClientSession
    version: str

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = JSON,
        **query: str,
    ) -> Answer:
        """Send one request; `path` is below the instance, or one that the service gave."""
        if not path.startswith("/"):
            values = {"api-version": self.version, **query}
            pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())
            path = f"/deviceUpdate/{self.stack.instance}/{path}?{pairs}"
        headers = {
            "Authorization": f"Bearer {self.stack.token()}",
            "Accept": JSON,
            "User-Agent": USER_AGENT,
            "x-ms-client-request-id": str(uuid.uuid4()),
        }
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        url = URL(self.stack.endpoint + path, encoded=True)
        async with self.session.request(method, url, data=data, headers=headers) as response:
            text = await response.read()
            return Answer(response.status, response.headers, json.loads(text) if text else None)

    async def read(self, path: str, **query: str) -> Any:
        """The body of an answer that must be well."""
        answer = await self.send("GET", path, **query)
        assert answer.status == 200, (path, query, answer.body)
        return answer.body


@dataclass(frozen=True, slots=True)
class Known:
    """Names of one of everything, as the options of the commands have them."""

    group: str
    class_id: str
    device: str
    module: tuple[str, str]
    deployment: str
    update: Mapping[str, str]
    file_id: str
    logs: str
    friendly_name: str

    @property
    def of_group(self) -> str:
        return f"management/groups/{self.group}"

    @property
    def of_subgroup(self) -> str:
        return f"{self.of_group}/deviceClassSubgroups/{self.class_id}"

    @property
    def of_update(self) -> str:
        names = self.update
        return (
            f"updates/providers/{names['provider']}/names/{names['name']}"
            f"/versions/{names['version']}"
        )


@pytest.fixture(params=VERSIONS)
async def az(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Az]:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=stack.ca_file))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Az(stack, session, request.param)


@pytest.fixture(scope="module")
async def known(
    stack: Stack, rest: Rest, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> Known:
    product = Product(stack, rest, sources, tmp_path_factory.mktemp("devices"))
    group, model, logs = unique("group"), unique("model"), unique("logs")
    package = make_package(model)
    await product.import_items({**sources.offer(package), "friendlyName": f"Named {model}"})
    async with product.fleet(group, model), product.module(group, model) as module:
        await product.seen(group, 2)
        deployment = await rest.deploy(group, package.update_id)
        await product.until_counts(group, deployment, succeeded=1, in_progress=1)
        collection = f"management/deviceDiagnostics/logCollections/{logs}"
        await rest.request("PUT", collection, {"deviceList": [{"deviceId": f"{model}-0"}]})
        (file_id,) = (await rest.get(f"{package.path}/files"))["value"]
        return Known(
            group=group,
            class_id=await product.class_of(f"{model}-0"),
            device=f"{model}-0",
            module=module,
            deployment=deployment,
            update=package.update_id,
            file_id=file_id,
            logs=logs,
            friendly_name=f"Named {model}",
        )


def lists(known: Known) -> list[tuple[str, str, dict[str, str]]]:
    """Each command that lists: what is typed, its path, its query."""
    deployments = f"{known.of_group}/deployments"
    states = f"{known.of_subgroup}/deployments/{known.deployment}/devicestates"
    provider = f"updates/providers/{known.update['provider']}"
    versions = f"{provider}/names/{known.update['name']}/versions"
    deployed = f"groupId eq '{known.group}' and deploymentStatus eq 'Succeeded'"
    return [
        ("update list", "updates", {}),
        ("update list --search", "updates", {"search": known.update["name"]}),
        ("update list --filter", "updates", {"filter": "isDeployable eq true"}),
        ("update list --by-provider", "updates/providers", {}),
        ("update list --update-provider", f"{provider}/names", {}),
        ("update list --update-name", versions, {}),
        ("update list --update-name --filter", versions, {"filter": "isDeployable eq true"}),
        ("update file list", f"{known.of_update}/files", {}),
        ("device list", "management/devices", {}),
        ("device list --filter", "management/devices", {"filter": deployed}),
        ("device group list", "management/groups", {}),
        ("device group list --order-by", "management/groups", {"orderby": "groupId asc"}),
        ("device group show --best-updates", f"{known.of_group}/bestUpdates", {}),
        ("device class list", "management/deviceClasses", {}),
        ("device class list --group-id", f"{known.of_group}/deviceClassSubgroups", {}),
        (
            "device class list --group-id --filter",
            f"{known.of_group}/deviceClassSubgroups",
            {"filter": "compatProperties/manufacturer eq 'contoso'"},
        ),
        (
            "device class show --installable-updates",
            f"management/deviceClasses/{known.class_id}/installableUpdates",
            {},
        ),
        ("device deployment list", deployments, {}),
        ("device deployment list --order-by", deployments, {"orderby": "startDateTime desc"}),
        ("device deployment list --class-id", f"{known.of_subgroup}/deployments", {}),
        ("device deployment list-devices", states, {}),
        ("device deployment list-devices --filter", states, {"filter": "deviceState eq 'Failed'"}),
        (
            "device health list --filter",
            "management/deviceDiagnostics/deviceHealth",
            {"filter": f"deviceId eq '{known.device}'"},
        ),
        (
            "device health list --filter (state)",
            "management/deviceDiagnostics/deviceHealth",
            {"filter": "state eq 'unhealthy'"},
        ),
        ("device log list", "management/deviceDiagnostics/logCollections", {}),
    ]


def shows(known: Known) -> list[tuple[str, str, set[str]]]:
    """Each command that shows: what is typed, its path, members of the answer."""
    log = f"management/deviceDiagnostics/logCollections/{known.logs}"
    deployment = f"deployments/{known.deployment}"
    compliance = {"totalDeviceCount", "onLatestUpdateDeviceCount"}
    device_id, module_id = known.module
    return [
        ("update show", known.of_update, {"updateId", "instructions", "importedDateTime", "etag"}),
        ("update file show", f"{known.of_update}/files/{known.file_id}", {"fileId", "hashes"}),
        ("device show", f"management/devices/{known.device}", {"deviceId", "deviceClassId"}),
        (
            "device module show",
            f"management/devices/{device_id}/modules/{module_id}",
            {"deviceId", "moduleId"},
        ),
        ("device compliance show", "management/updateCompliance", compliance),
        ("device group show", known.of_group, {"groupId", "groupType", "deviceCount"}),
        ("device group show --update-compliance", f"{known.of_group}/updateCompliance", compliance),
        (
            "device class show",
            f"management/deviceClasses/{known.class_id}",
            {"deviceClassId", "deviceClassProperties"},
        ),
        ("device class show --group-id", known.of_subgroup, {"deviceClassId", "groupId"}),
        (
            "device class show --group-id --update-compliance",
            f"{known.of_subgroup}/updateCompliance",
            compliance,
        ),
        (
            "device class show --group-id --best-update",
            f"{known.of_subgroup}/bestUpdates",
            {"deviceClassId", "update", "deviceCount"},
        ),
        ("device deployment show", f"{known.of_group}/{deployment}", {"deploymentId", "update"}),
        (
            "device deployment show --status",
            f"{known.of_group}/{deployment}/status",
            {"deploymentState", "subgroupStatus"},
        ),
        (
            "device deployment show --class-id",
            f"{known.of_subgroup}/{deployment}",
            {"deploymentId", "update"},
        ),
        (
            "device deployment show --class-id --status",
            f"{known.of_subgroup}/{deployment}/status",
            {"deploymentState", "totalDevices"},
        ),
        ("device log show", log, {"operationId", "status"}),
        ("device log show --detailed", f"{log}/detailedStatus", {"operationId", "deviceStatus"}),
    ]


async def test_commands_that_list_are_answered_page_by_page(az: Az, known: Known) -> None:
    for command, path, query in lists(known):
        page = await az.read(path, **query)
        assert isinstance(page["value"], list), command
        while page.get("nextLink"):
            page = await az.read(page["nextLink"])


async def test_commands_that_show_are_answered(az: Az, known: Known) -> None:
    for command, path, members in shows(known):
        body = await az.read(path)
        assert members <= body.keys(), (command, sorted(body))


async def test_every_reference_to_an_update_has_its_friendly_name(az: Az, known: Known) -> None:
    deployment = await az.read(f"{known.of_group}/deployments/{known.deployment}")
    device = await az.read(f"management/devices/{known.device}")
    (best,) = (await az.read(f"{known.of_group}/bestUpdates"))["value"]
    updates = await az.read(f"management/deviceClasses/{known.class_id}/installableUpdates")
    found = [
        deployment["update"],
        device["lastAttemptedUpdate"],
        device["installedUpdate"],
        best["update"],
        *updates["value"],
    ]

    assert [item["friendlyName"] for item in found] == [known.friendly_name] * len(found)


@pytest.mark.parametrize("kind", ["All", "Devices", "Modules"])
async def test_device_import_sends_an_object(az: Az, product: Product, kind: str) -> None:
    answer = await az.send("POST", "management/devices:import", {"importType": kind})

    assert (answer.status, answer.body) == (202, None)
    assert (await product.ended(answer.headers["Operation-Location"]))["status"] == "Succeeded"


async def test_device_import_of_an_unknown_kind_is_refused(az: Az) -> None:
    answer = await az.send("POST", "management/devices:import", {"importType": "Gadgets"})

    assert answer.status == 400
    assert answer.body["error"]["target"] == "/importType"


async def test_log_collect_is_started(az: Az, known: Known) -> None:
    name = unique("logs")
    body = {
        "operationId": name,
        "deviceList": [{"deviceId": known.device}],
        "description": "from the command line",
    }

    answer = await az.send("PUT", f"management/deviceDiagnostics/logCollections/{name}", body)

    assert answer.status == 201
    assert answer.body["operationId"] == name


async def test_class_update_names_a_class(az: Az, known: Known) -> None:
    name = unique("class")
    path = f"management/deviceClasses/{known.class_id}"

    answer = await az.send("PATCH", path, {"friendlyName": name}, content_type=MERGE_PATCH)

    assert (answer.status, answer.body["friendlyName"]) == (200, name)


@both_agents
async def test_updates_and_deployments_live_from_import_to_delete(
    az: Az, product: Product, sources: Sources
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("d")
    old, new = make_package(model), make_package(model, version="2.0")
    async with product.fleet(group, model):
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        for package in (old, new):  # `update import`
            answer = await az.send("POST", "updates:import", [sources.offer(package)])
            assert (answer.status, answer.body) == (202, None)
            ended = await product.ended(answer.headers["Operation-Location"])
            assert ended["status"] == "Succeeded", ended

        # `device deployment create`, with a policy of rollback
        deployment = f"management/groups/{group}/deployments/{identity}"
        body = {
            "deploymentId": identity,
            "startDateTime": "2026-01-02T03:04:05.678901Z",
            "update": {"updateId": new.update_id},
            "groupId": group,
            "rollbackPolicy": {
                "update": {"updateId": old.update_id},
                "failure": {"devicesFailedPercentage": 50, "devicesFailedCount": 5},
            },
        }
        made = await az.send("PUT", deployment, body)
        assert made.status == 200
        assert not {"isCanceled", "isRetried"} & made.body.keys(), "left out until they are true"
        assert made.body["rollbackPolicy"]["failure"] == body["rollbackPolicy"]["failure"]
        await product.until_counts(group, identity, succeeded=1)

        of_class = f"management/groups/{group}/deviceClassSubgroups/{class_id}"
        retried = await az.send("POST", f"{of_class}/deployments/{identity}:retry")
        assert (retried.status, retried.body["isRetried"]) == (200, True), "it failed nowhere"
        canceled = await az.send("POST", f"{of_class}/deployments/{identity}:cancel")
        assert (canceled.status, canceled.body["isCanceled"]) == (200, True)
        in_use = await az.send("DELETE", f"management/groups/{group}")
        assert (in_use.status, in_use.body["error"]["code"]) == (409, "Conflict")
        in_use = await az.send("DELETE", f"management/deviceClasses/{class_id}")
        assert in_use.status == 409
        assert (await az.send("DELETE", f"{of_class}/deployments/{identity}")).status == 204
        assert (await az.send("DELETE", deployment)).status in (204, 404)

    for package in (new, old):  # `update delete`
        answer = await az.send("DELETE", package.path)
        assert (answer.status, answer.body) == (202, None)
        ended = await product.ended(answer.headers["Operation-Location"])
        assert ended["status"] == "Succeeded", ended


async def test_file_name_spelled_as_in_samples_is_imported(
    az: Az, product: Product, sources: Sources
) -> None:
    item = sources.offer(make_package(unique("model")))
    item["files"] = [{"fileName": file["filename"], "url": file["url"]} for file in item["files"]]
    item["friendlyName"] = None

    answer = await az.send("POST", "updates:import", [item])

    assert answer.status == 202
    ended = await product.ended(answer.headers["Operation-Location"])
    assert ended["status"] == "Succeeded", ended
