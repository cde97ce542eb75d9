"""Wrong values that must not pass in one language, even where the other has them too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A text of a file in the place of another."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True)
class ValueMistake:
    """The same wrong value in both languages, and what is said of it."""

    name: str
    complaint: str
    bicep: Change
    terraform: Change


def _both(name: str, complaint: str, change: Change) -> ValueMistake:
    """A wrong value in a file that both languages read."""
    return ValueMistake(name, complaint, bicep=change, terraform=change)


VALUE_MISTAKES: tuple[ValueMistake, ...] = (
    ValueMistake(
        "metric that does not exist",
        "has no DeadLetterCount",
        Change("topic-alerts.json", "DeadLetteredCount", "DeadLetterCount"),
        Change("topic-alerts.json", "DeadLetteredCount", "DeadLetterCount"),
    ),
    _both(
        "metric of a query that does not exist",
        "waits for the metric IncomingMsgs",
        Change("alerts.json", '\\"IncomingMessages\\"', '\\"IncomingMsgs\\"'),
    ),
    _both(
        "metric that the program does not tell",
        "asks for the metric odu.event.delay",
        Change("alerts.json", "odu.event.lag", "odu.event.delay"),
    ),
    _both(
        "attribute that the program does not tell",
        "asks for the attribute odu.outcome",
        Change("alerts.json", "odu.result", "odu.outcome"),
    ),
    _both(
        "span that the program does not tell",
        "asks for the span device_runs",
        Change("workbook.json", "device_runs_update", "device_runs"),
    ),
    _both(
        "metric that nobody asks for",
        "nobody asks for the metric odu.storage.requests",
        Change("workbook.json", "odu.storage.requests", "odu.device.asks"),
    ),
    _both(
        "misspelt text of the host",
        "waits for 'MaxDeqeueCount'",
        Change("alerts.json", "MaxDequeueCount", "MaxDeqeueCount"),
    ),
    _both(
        "misspelt text of the program",
        "waits for 'The hub answerd 429'",
        Change("alerts.json", "The hub answered 429", "The hub answerd 429"),
    ),
    _both(
        "content that is deleted by age",
        "a lifecycle rule deletes 'content/'",
        Change("stores.json", '"container": "quarantine", ', '"container": "content", '),
    ),
    ValueMistake(
        "everything deleted by age",
        "a lifecycle rule deletes ''",
        Change("modules/storage.bicep", "['${rule.container}/']", "['']"),
        Change("terraform/content.tf", '["${rule.value.container}/"]', '[""]'),
    ),
    ValueMistake(
        "dead letters among content",
        "dead letters lie in a container of their own",
        Change(
            "modules/events.bicep",
            "blobContainerName: 'deadletter'",
            "blobContainerName: 'content'",
        ),
        Change(
            "terraform/events.tf",
            'blobContainerName = "deadletter"',
            'blobContainerName = "content"',
        ),
    ),
    ValueMistake(
        "secret of another name",
        "SOURCE_URL_KEY is",
        Change("modules/keyvault.bicep", "secrets/source-url-key", "secrets/source-urls-key"),
        Change("terraform/app.tf", "secrets/source-url-key", "secrets/source-urls-key"),
    ),
    ValueMistake(
        "key of another extension for the blob webhook",
        "subscription import-drop: destination",
        Change(
            "modules/events.bicep",
            "systemKeys.blobs_extension",
            "systemKeys.eventgrid_extension",
        ),
        Change(
            "terraform/events.tf",
            ".output.systemKeys.blobs_extension",
            ".output.systemKeys.eventgrid_extension",
        ),
    ),
    ValueMistake(
        "TLS 1.0 for storage",
        "storage takes TLS 1.2 and later",
        Change("modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
        Change("terraform/content.tf", '"TLS1_2"', '"TLS1_0"'),
    ),
    ValueMistake(
        "public blobs",
        "no blob is public",
        Change(
            "modules/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"
        ),
        Change(
            "terraform/content.tf",
            "allow_nested_items_to_be_public = false",
            "allow_nested_items_to_be_public = true",
        ),
    ),
    ValueMistake(
        "public vault in a private network",
        "the vault is not public in a private network",
        Change(
            "modules/keyvault.bicep",
            "publicNetworkAccess: isPublic ? 'Enabled' : 'Disabled'",
            "publicNetworkAccess: isPublic ? 'Disabled' : 'Enabled'",
        ),
        Change(
            "terraform/keyvault.tf",
            "public_network_access_enabled = !var.private_network",
            "public_network_access_enabled = true",
        ),
    ),
    ValueMistake(
        "signing key that rotates itself",
        "the signing key does not rotate by itself",
        Change("modules/keyvault.bicep", "type: 'notify'", "type: 'rotate'"),
        Change("terraform/keyvault.tf", 'type = "notify"', 'type = "rotate"'),
    ),
    ValueMistake(
        "Defender tells another topic",
        "Defender publishes to",
        Change(
            "modules/eventgrid.bicep",
            "scanTopicId string = scanTopic.id",
            "scanTopicId string = topic.id",
        ),
        Change("terraform/defender.tf", "azapi_resource.scan_topic.id", "azapi_resource.topic.id"),
    ),
    ValueMistake(
        "route that is off",
        "every route of the hub is on",
        Change("modules/hub.bicep", "isEnabled: true", "isEnabled: false"),
        Change("terraform/hub.tf", "enabled        = true", "enabled        = false"),
    ),
    ValueMistake(
        "issuer of tokens of version 1",
        "TOKEN_ISSUER is",
        Change("modules/app.bicep", "tenantId}/v2.0'", "tenantId}/'"),
        Change("terraform/app.tf", '"${local.login}/v2.0"', '"${local.login}/"'),
    ),
    ValueMistake(
        "zone of another service for the vault",
        "the endpoint of vault has its name in privatelink.vault.azure.net",
        Change("modules/network.bicep", "privatelink.vaultcore.azure", "privatelink.vault.azure"),
        Change("terraform/network.tf", "privatelink.vaultcore.azure", "privatelink.vault.azure"),
    ),
    ValueMistake(
        "always ready instances of a group that does not exist",
        "the group of blob triggers is called blob",
        Change("modules/app.bicep", "name: 'blob', instance", "name: 'blobs', instance"),
        Change("terraform/app.tf", 'name = "blob", instance', 'name = "blobs", instance'),
    ),
    # more of the kind
    ValueMistake(
        "shared keys of storage",
        "storage takes identities, not shared keys",
        Change(
            "modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"
        ),
        Change(
            "terraform/state.tf",
            "shared_access_key_enabled       = false",
            "shared_access_key_enabled       = true",
        ),
    ),
    ValueMistake(
        "links that outlive their delegation",
        "a link to content lasts at most seven days",
        Change("modules/storage.bicep", "'7.00:00:00'", "'30.00:00:00'"),
        Change("terraform/content.tf", '"7.00:00:00"', '"30.00:00:00"'),
    ),
    _both(
        "audit log that can be rewritten early",
        "nobody rewrites the audit log for two years",
        Change("stores.json", '"days": 730', '"days": 30'),
    ),
    _both(
        "dead letters gone before anybody looked",
        "a lifecycle rule deletes deadletter/ after 3 days",
        Change(
            "stores.json",
            '"container": "deadletter", "days": 90',
            '"container": "deadletter", "days": 3',
        ),
    ),
    ValueMistake(
        "short signing key",
        "manifests are signed with RS256 and 3072 bits",
        Change("modules/keyvault.bicep", "keySize: 3072", "keySize: 2048"),
        Change("terraform/keyvault.tf", "keySize = 3072", "keySize = 2048"),
    ),
    ValueMistake(
        "exportable signing key",
        "the signing key cannot leave the vault",
        Change("modules/keyvault.bicep", "exportable: false", "exportable: true"),
        Change("terraform/keyvault.tf", "exportable = false", "exportable = true"),
    ),
    ValueMistake(
        "vault that can be purged",
        "nobody can purge the key that devices trust",
        Change(
            "modules/keyvault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false"
        ),
        Change(
            "terraform/keyvault.tf",
            "purge_protection_enabled      = true",
            "purge_protection_enabled      = false",
        ),
    ),
    ValueMistake(
        "hub that is no trusted service",
        "the hub is a trusted service of a private stream",
        Change(
            "modules/eventhubs.bicep",
            "trustedServiceAccessEnabled: true",
            "trustedServiceAccessEnabled: false",
        ),
        Change(
            "terraform/eventhubs.tf",
            "trusted_service_access_enabled = true",
            "trusted_service_access_enabled = false",
        ),
    ),
    ValueMistake(
        "tokens without a role",
        "who has no role gets no token",
        Change(
            "modules/application.bicep",
            "appRoleAssignmentRequired: true",
            "appRoleAssignmentRequired: false",
        ),
        Change(
            "terraform/application.tf",
            "app_role_assignment_required = true",
            "app_role_assignment_required = false",
        ),
    ),
    ValueMistake(
        "tokens of version 1",
        "tokens are of version 2",
        Change(
            "modules/application.bicep",
            "requestedAccessTokenVersion: 2",
            "requestedAccessTokenVersion: 1",
        ),
        Change(
            "terraform/application.tf",
            "requested_access_token_version = 2",
            "requested_access_token_version = 1",
        ),
    ),
    ValueMistake(
        "deliveries given up after an hour",
        "deliveries are tried for a day",
        Change(
            "modules/events.bicep",
            "eventTimeToLiveInMinutes: 1440",
            "eventTimeToLiveInMinutes: 60",
        ),
        Change(
            "terraform/events.tf",
            "eventTimeToLiveInMinutes = 1440",
            "eventTimeToLiveInMinutes = 60",
        ),
    ),
    ValueMistake(
        "password of the package upload",
        "code is deployed by identity, not by password",
        Change("modules/app.bicep", "allow: false", "allow: true"),
        Change("terraform/app.tf", "allow = false", "allow = true"),
    ),
    ValueMistake(
        "twin changes kept for an hour",
        "twin changes can be read again for a week",
        Change("modules/eventhubs.bicep", "retentionTimeInHours: 168", "retentionTimeInHours: 1"),
        Change(
            "terraform/eventhubs.tf",
            "retention_time_in_hours = 168",
            "retention_time_in_hours = 1",
        ),
    ),
    ValueMistake(
        "route that leaves reported changes out",
        "the hub gets every change of a twin",
        Change("modules/hub.bicep", "NOT IS_OBJECT($body.properties.desired)", "false"),
        Change("terraform/hub.tf", "NOT IS_OBJECT($body.properties.desired)", "false"),
    ),
    ValueMistake(
        "hub without a system identity",
        "the hub has the system identity",
        Change("modules/hub.bicep", "'SystemAssigned, UserAssigned'", "'UserAssigned'"),
        Change("terraform/hub.tf", '"SystemAssigned, UserAssigned"', '"UserAssigned"'),
    ),
    ValueMistake(
        "zones that hide other accounts",
        "names of other accounts are still found",
        Change("modules/network.bicep", "'NxDomainRedirect'", "'Default'"),
        Change("terraform/network.tf", '"NxDomainRedirect"', '"Default"'),
    ),
    ValueMistake(
        "log of the vault that does not exist",
        "who uses the signing key is logged",
        Change("modules/alerts.bicep", "'AuditEvent'", "'AuditEvents'"),
        Change("terraform/alerts.tf", '"AuditEvent"', '"AuditEvents"'),
    ),
    ValueMistake(
        "subnet that Flex Consumption cannot use",
        "the app sends from a subnet that Flex Consumption may use",
        Change("modules/subnets.bicep", "Microsoft.App/environments", "Microsoft.Web/serverFarms"),
        Change("terraform/network.tf", "Microsoft.App/environments", "Microsoft.Web/serverFarms"),
    ),
)

HOOK_MISTAKES: tuple[tuple[Change, str], ...] = (
    (
        Change("../azure.yaml", "  postdeploy:\n", "  postpackage:\n"),
        "azd does not run events.sh in postdeploy",
    ),
    (
        Change("hooks/secret.ps1", "[byte[]]::new(32)", "[byte[]]::new(16)"),
        "secret.ps1 does not make a key of 32 bytes",
    ),
    (
        Change("hooks/secret.sh", "head -c 32", "head -c 16"),
        "secret.sh does not make a key of 32 bytes",
    ),
    (
        Change("hooks/secret.ps1", "source-url-key", "source-urls-key"),
        "secret.ps1 makes another secret than source-url-key",
    ),
)
"""The same for what azd runs."""
