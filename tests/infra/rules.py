"""Values that depend on one another: of other resources, of the hooks, of what is logged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.infra.files import Files
from tests.infra.program import REPOSITORY
from tests.infra.site import STORAGE, SUFFIX, Site

SECRET_NAME = "source-url-key"

_EXPIRES = {"quarantine": 7, "uploads": 7, "diagnostics": 7, "deadletter": 30}
"""The only containers that a rule may empty, and after how many days at the earliest."""

# https://learn.microsoft.com/azure/private-link/private-endpoint-dns
_ZONES = {
    "blob": "privatelink.blob.core.windows.net",
    "queue": "privatelink.queue.core.windows.net",
    "table": "privatelink.table.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "namespace": "privatelink.servicebus.windows.net",
}

# https://learn.microsoft.com/azure/azure-monitor/reference/metrics-index
_METRICS = {
    "MICROSOFT.EVENTHUB": {"IncomingMessages", "OutgoingMessages", "ThrottledRequests"},
    "Microsoft.EventGrid/topics": {
        "DeadLetteredCount",
        "DeliveryAttemptFailCount",
        "DroppedEventCount",
    },
    "Microsoft.EventGrid/systemTopics": {
        "DeadLetteredCount",
        "DeliveryAttemptFailCount",
        "DroppedEventCount",
    },
}

_HOST_TEXTS = (
    # Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage, queue processors
    "Message has reached MaxDequeueCount of {0}. Moving message to queue '{1}-poison'.",
)
"""What the Functions host logs."""

_WORDS = re.compile(r'(?:has|contains|startswith) "([^"]+)"')
_METRIC_NAMES = re.compile(r"MetricName\s*(?:==|in)\s*\(?((?:[\"'][^\"']+[\"'](?:,\s*)?)+)")
_PROVIDER = re.compile(r"ResourceProvider == [\"']([^\"']+)[\"']")


def rules_broken(site: Site) -> Iterator[str]:
    """Where a deployment breaks one."""
    yield from _lifecycle(site)
    yield from _zones(site)
    yield from _tokens(site)
    yield from _secret(site)
    yield from _verdicts(site)
    yield from _alerts(site)


def _lifecycle(site: Site) -> Iterator[str]:
    """Nothing is deleted by age but what nobody needs after its time."""
    content = site.account(site.settings["CONTENT__blobServiceUri"])
    for policy in site.of(f"{STORAGE}/managementPolicies"):
        if not policy.id.startswith(f"{content.id}/"):
            yield f"a lifecycle rule outside the content account: {policy.id}"
        for rule in policy.properties["policy"]["rules"]:
            days = rule["definition"]["actions"]["baseBlob"]["delete"][
                "daysAfterModificationGreaterThan"
            ]
            for prefix in rule["definition"]["filters"].get("prefixMatch", [""]):
                least = _EXPIRES.get(prefix.removesuffix("/"))
                if least is None or not prefix.endswith("/"):
                    yield f"a lifecycle rule deletes {prefix!r}"
                elif days < least:
                    yield f"a lifecycle rule deletes {prefix} after {days} days, before {least}"


def _zones(site: Site) -> Iterator[str]:
    """Each private endpoint has its name in the zone that its service is looked up in."""
    for group in site.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups"):
        assert group.parent is not None
        [connection] = group.parent.properties["privateLinkServiceConnections"]
        [kind] = connection["properties"]["groupIds"]
        for item in group.properties["privateDnsZoneConfigs"]:
            zone = str(item["properties"]["privateDnsZoneId"]).rpartition("/")[2]
            if zone != _ZONES.get(kind):
                yield f"the endpoint of {kind} has its name in {zone}"


def _tokens(site: Site) -> Iterator[str]:
    """https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer"""
    login = "https://login.microsoftonline.com/tenant.id"
    for name, wanted in (
        ("TOKEN_ISSUER", f"{login}/v2.0"),
        ("TOKEN_JWKS_URI", f"{login}/discovery/v2.0/keys"),
        ("TOKEN_TENANT", "tenant.id"),
    ):
        if site.settings.get(name) != wanted:
            yield f"{name} is {site.settings.get(name)}, not {wanted}"


def _secret(site: Site) -> Iterator[str]:
    """The app reads the secret that the hooks make, whichever version is newest."""
    vault = site.one("Microsoft.KeyVault/vaults")
    uri = f"{vault.id}.properties.vaultUri"
    wanted = f"@Microsoft.KeyVault(SecretUri={uri}secrets/{SECRET_NAME})"
    if site.settings.get("SOURCE_URL_KEY") != wanted:
        yield f"SOURCE_URL_KEY is {site.settings.get('SOURCE_URL_KEY')}, not {wanted}"
    if site.settings.get("SIGNING_VAULT_URL") != uri:
        yield f"SIGNING_VAULT_URL is {site.settings.get('SIGNING_VAULT_URL')}, not {uri}"


def _verdicts(site: Site) -> Iterator[str]:
    """Defender publishes to the topic whose events the app gets."""
    [topic] = [item for item in site.of("Microsoft.EventGrid/topics") if "-scan-" in item.name]
    for settings in site.of("Microsoft.Security/defenderForStorageSettings"):
        found = settings.properties["malwareScanning"].get("scanResultsEventGridTopicResourceId")
        if found != topic.id:
            yield f"Defender publishes to {found}, not to {topic.id}"


def _alerts(site: Site) -> Iterator[str]:
    """Alerts wait for metrics that exist and for words that somebody writes."""
    for alert in site.of("Microsoft.Insights/metricAlerts"):
        for item in alert.properties["criteria"]["allOf"]:
            if item["metricName"] not in _METRICS.get(item["metricNamespace"], set()):
                yield f"{alert.name}: {item['metricNamespace']} has no {item['metricName']}"
    queries = {
        alert.name: str(alert.properties["criteria"]["allOf"][0]["query"])
        for alert in site.of("Microsoft.Insights/scheduledQueryRules")
    }
    for book in site.of("Microsoft.Insights/workbooks"):
        queries[f"workbook {SUFFIX}"] = str(book.properties["serializedData"]).replace('\\"', '"')
    for name, query in queries.items():
        for word in _WORDS.findall(query):
            if not any(word in text for text in (*_HOST_TEXTS, *program_texts())):
                yield f"{name} waits for {word!r}, which nobody writes"
        metrics = {item for found in _METRIC_NAMES.findall(query) for item in _quoted(found)}
        known = set().union(*(_METRICS.get(found, set()) for found in _PROVIDER.findall(query)))
        yield from (f"{name} waits for the metric {item}" for item in sorted(metrics - known))


def _quoted(text: str) -> list[str]:
    return re.findall(r"[\"']([^\"']+)[\"']", text)


@cache
def program_texts() -> frozenset[str]:
    """Every text of the program that may come into a log, f-strings with `*` for their values."""
    trees = (
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("functions", "shared")
        for path in (REPOSITORY / folder).rglob("*.py")
    )
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add(
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "429"
                        for part in node.values
                    )
                )
    return frozenset(found)


def hooks_broken(files: Files) -> Iterator[str]:
    """Where what azd runs after each stage is missing or makes another key than Fernet takes."""
    azure = files.read("../azure.yaml")
    for stage, hook in (("postprovision", "secret"), ("postdeploy", "events")):
        for ending in ("sh", "ps1"):
            wanted = rf"\n  {stage}:\n(?:    .*\n)*?    .*run: \./infra/hooks/{hook}\.{ending} "
            if not re.search(wanted, azure):
                yield f"azd does not run {hook}.{ending} in {stage}"
    # https://cryptography.io/en/latest/fernet/: 32 bytes in URL-safe base64
    if "head -c 32 /dev/urandom | base64 " not in files.read("hooks/secret.sh"):
        yield "secret.sh does not make a key of 32 bytes"
    if "[byte[]]::new(32)" not in files.read("hooks/secret.ps1"):
        yield "secret.ps1 does not make a key of 32 bytes"
    for name in ("secret.sh", "secret.ps1"):
        if SECRET_NAME not in files.read(f"hooks/{name}"):
            yield f"{name} makes another secret than {SECRET_NAME}"
