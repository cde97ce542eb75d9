"""Where templates and program disagree, each as a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from odu_cli.commands.keys import DEFAULT_KEY_NAME
from shared.domain.access import Role
from shared.topology import (
    CONTAINERS,
    CONTENT_CONNECTION,
    QUEUES,
    STATE_CONNECTION,
    TABLES,
    TWINS_CONNECTION,
    TWINS_CONSUMER_GROUP,
    TWINS_EVENT_HUB,
)
from tests.infra import program
from tests.infra.blob_use import roles_on_containers
from tests.infra.facts import facts_broken
from tests.infra.flex import FORBIDDEN_SETTINGS, FORBIDDEN_SITE_CONFIG
from tests.infra.roles import CUSTOMERS_NEEDED, NEEDED, OPERATOR_NEEDED, ROLES
from tests.infra.rules import rules_broken
from tests.infra.site import STORAGE, Site
from tests.infra.subscriptions import subscriptions
from tests.infra.telemetry import signals_broken
from tests.infra.values import SECRET_MARK

_SECRETS = ("AccountKey=", "SharedAccessKey", "sig=", "listKeys", SECRET_MARK)
_KINDS = {
    "queue": f"{STORAGE}/queueServices/queues",
    "table": f"{STORAGE}/tableServices/tables",
    "container": f"{STORAGE}/blobServices/containers",
}
_LOGGED = re.compile(r'Message (?:startswith|contains) "([^"]+)"')
"""Parts of what the program itself logs; other alerts look for words of the host."""
_FUNCTION_NAMES = re.compile(r"\bName in \(([^)]*)\)")


def disagreements(site: Site) -> list[str]:
    """Everything that does not fit."""
    checks: tuple[Callable[[Site], Iterator[str]], ...] = (
        _settings,
        _connections,
        _stores,
        _stream,
        subscriptions,
        _grants,
        _names,
        _scanned,
        _console,
        _secrets,
        facts_broken,
        rules_broken,
        signals_broken,
    )
    return [text for check in checks for text in check(site)]


def difference(what: str, wanted: Set[Any], found: Set[Any]) -> Iterator[str]:
    """What is missing and what is surplus."""
    yield from (f"{what} missing: {item}" for item in sorted(map(str, wanted - found)))
    yield from (f"{what} surplus: {item}" for item in sorted(map(str, found - wanted)))


def _settings(site: Site) -> Iterator[str]:
    asked, complaint = program.read(site.settings)
    if complaint:
        yield complaint
    platform = program.platform_settings()
    names = site.settings.keys()
    yield from difference("setting", platform, names - (asked - platform))
    for name in sorted(names & (FORBIDDEN_SETTINGS | program.LOCAL_ONLY)):
        yield f"setting forbidden: {name}"
    for name in sorted(site.app.properties["siteConfig"].keys() & FORBIDDEN_SITE_CONFIG):
        yield f"siteConfig forbidden: {name}"


def _connections(site: Site) -> Iterator[str]:
    identity = next(iter(site.app.body["identity"]["userAssignedIdentities"]))
    for name, value in site.settings.items():
        wanted = {
            "__credential": "managedidentity",
            "__clientId": f"{identity}.properties.clientId",
        }
        for ending, right in wanted.items():
            if name.endswith(ending) and value != right:
                yield f"{name} is not {right}"
    if site.settings.get("AZURE_CLIENT_ID") != f"{identity}.properties.clientId":
        yield "AZURE_CLIENT_ID is not the app's identity"


def _stores(site: Site) -> Iterator[str]:
    """Each connection leads to the account that holds what the program looks for in it."""
    wanted: dict[str, dict[str, set[str]]] = {
        STATE_CONNECTION: {
            "queue": set(QUEUES),
            "table": set(TABLES),
            "container": {"packages"},
        },
        CONTENT_CONNECTION: {"queue": set(), "table": set(), "container": set(CONTAINERS)},
    }
    for connection, kinds in wanted.items():
        endpoints = {
            value
            for name, value in site.settings.items()
            if name.startswith(f"{connection}__") and name.endswith("ServiceUri")
        }
        for account in {
            site.account(endpoint).id: site.account(endpoint) for endpoint in endpoints
        }.values():
            for kind, names in kinds.items():
                yield from difference(
                    f"{kind} of {connection}", names, site.within(account, _KINDS[kind])
                )
    package = site.app.properties["functionAppConfig"]["deployment"]["storage"]["value"]
    if not package.endswith(".blobpackages"):
        yield f"the package lies in {package}"
    yield from difference(
        "trigger of queue", set(QUEUES), program.named("queueTrigger", "queueName")
    )
    used = {path.partition("/")[0] for path in program.named("blobTrigger", "path")}
    yield from difference("container of trigger", used, used & set(CONTAINERS))


def _stream(site: Site) -> Iterator[str]:
    namespace = site.one("Microsoft.EventHub/namespaces")
    stream = site.one("Microsoft.EventHub/namespaces/eventhubs")
    group = site.one("Microsoft.EventHub/namespaces/eventhubs/consumergroups")
    host = f"{namespace.name}.servicebus.windows.net"
    hub = site.one("Microsoft.Devices/IotHubs")
    routing = hub.properties["routing"]
    ends = {item["name"]: item for item in routing["endpoints"]["eventHubs"]}
    yield from difference(
        "event hub", program.named("eventHubTrigger", "eventHubName"), {stream.name}
    )
    yield from difference("event hub", {TWINS_EVENT_HUB}, {stream.name})
    yield from difference(
        "consumer group", program.named("eventHubTrigger", "consumerGroup"), {group.name}
    )
    yield from difference("consumer group", {TWINS_CONSUMER_GROUP}, {group.name})
    setting = f"{TWINS_CONNECTION}__fullyQualifiedNamespace"
    yield from difference("stream", {host}, {site.settings.get(setting)})
    yield from difference(
        "hub route", program.RELAYED_SOURCES, {item["source"] for item in routing["routes"]}
    )
    for route in routing["routes"]:
        for name in route["endpointNames"]:
            end = ends.get(name, {})
            leads_to = (end.get("endpointUri"), end.get("entityPath"))
            yield from difference("end of route", {(f"sb://{host}", stream.name)}, {leads_to})
            known = {*hub.body["identity"]["userAssignedIdentities"], "system"}
            sender = (end.get("identity") or {}).get("userAssignedIdentity", "system")
            if end.get("authenticationType") != "identityBased" or sender not in known:
                yield f"route to {name} is not sent with the hub's identity"


def _grants(site: Site) -> Iterator[str]:
    found = {(who, ROLES.get(role, role), where) for who, role, where in site.grants()}
    has_operator = any(who == "operator" for who, _, _ in found)
    used = {
        ("app", role, f"{CONTENT_CONNECTION.lower()}/{container}")
        for container, role in roles_on_containers().items()
    }
    has_customers = bool(site.settings.get("CUSTOMER_TOPIC_ENDPOINT"))
    needed = NEEDED | used | (OPERATOR_NEEDED if has_operator else set())
    needed |= CUSTOMERS_NEEDED if has_customers else set()
    yield from difference("role", needed, found)


def _names(site: Site) -> Iterator[str]:
    for application in site.of("Microsoft.Graph/applications"):
        roles = application.body["appRoles"]
        yield from difference(
            "app role", {str(role) for role in Role}, {item["value"] for item in roles}
        )
        if len({item["id"] for item in roles}) != len(roles):
            yield "two app roles have one id"
    key = site.one("Microsoft.KeyVault/vaults/keys")
    yield from difference("signing key", {DEFAULT_KEY_NAME}, {key.name})
    functions = {item.function for item in program.triggers()}
    for alert in site.of("Microsoft.Insights/scheduledQueryRules"):
        query = alert.properties["criteria"]["allOf"][0]["query"]
        for names in _FUNCTION_NAMES.findall(query):
            named = set(re.findall(r'"(\w+)"', names))
            yield from difference(f"function of alert {alert.name}", named & functions, named)
        logged = _LOGGED.findall(query)
        if not any(all(part in text for part in logged) for text in program.log_texts()):
            yield f"alert {alert.name} waits for what is never logged: {logged}"


def _scanned(site: Site) -> Iterator[str]:
    """Defender, where chosen, looks at what is in quarantine and nowhere else."""
    for settings in site.of("Microsoft.Security/defenderForStorageSettings"):
        filters = settings.properties["malwareScanning"]["onUpload"]["filters"]
        left_out = {prefix.removesuffix("/") for prefix in filters["excludeBlobsWithPrefix"]}
        for container in sorted(set(CONTAINERS) - left_out - {"quarantine"}):
            yield f"Defender scans: {container}"
        if "quarantine" in left_out:
            yield "Defender does not scan quarantine"


def _console(site: Site) -> Iterator[str]:
    """People sign in to the console and upload from it at the address that the app has."""
    app = site.one("Microsoft.Web/sites").name
    origin = f"https://{app}.azurewebsites.net"
    for application in site.of("Microsoft.Graph/applications"):
        redirects = set(application.body.get("spa", {}).get("redirectUris", []))
        yield from difference("redirect", {f"{origin}/console/"}, redirects)
    if site.settings.get("CONSOLE_CLIENT_ID") != site.settings.get("TOKEN_AUDIENCE"):
        yield "the console signs in as another application than the API is"
    allowed = {
        (rule_origin, method)
        for service in site.of(f"{STORAGE}/blobServices")
        for rule in service.properties.get("cors", {}).get("corsRules", [])
        for rule_origin in rule["allowedOrigins"]
        for method in rule["allowedMethods"]
    }
    yield from difference("upload", {(origin, "PUT")}, allowed)


def _secrets(site: Site) -> Iterator[str]:
    shown = {**site.settings, **site.shown}
    for name, value in shown.items():
        for secret in _SECRETS:
            if secret in str(value):
                yield f"secret in {name}"
