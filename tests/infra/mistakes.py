"""Changes of the templates that must not pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A change of a template that must not pass, and what is said of it."""

    name: str
    file: str
    right: str
    wrong: str
    complaint: str


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "customers' events on the topic of the service",
        "main.bicep",
        "customers!.outputs.endpoint",
        "eventgrid.outputs.topicEndpoint",
        "CUSTOMER_TOPIC_ENDPOINT is not that of the topic",
    ),
    Mistake(
        "sign-in that leads elsewhere",
        "main.bicep",
        "'${consoleOrigin}/console/'",
        "'${consoleOrigin}/'",
        "redirect missing",
    ),
    Mistake(
        "uploads from nowhere",
        "main.bicep",
        "    uploadOrigins: [consoleOrigin]\n",
        "",
        "upload missing",
    ),
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
        "renamed queue", "stores.json", '"fanout"', '"fan-out"', "queue of STATE missing: fanout"
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
        "missing subscription",
        "modules/events.bicep",
        "name: 'import-drop'",
        "name: 'import-drops'",
        "subscription missing: import-drop",
    ),
    Mistake(
        "missing container",
        "stores.json",
        ', "uploads"]',
        "]",
        "container of CONTENT missing: uploads",
    ),
    Mistake(
        "wrong table", "stores.json", '"Rollups"', '"RollUps"', "table of STATE missing: Rollups"
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
        "application.json",
        '"DeviceUpdateReader"',
        '"Reader"',
        "app role missing: DeviceUpdateReader",
    ),
    Mistake(
        "connection to the other account",
        "main.bicep",
        "stateEndpoints: state.outputs.endpoints",
        "stateEndpoints: content.outputs.endpoints",
        "table of STATE missing: Devices",
    ),
    Mistake(
        "missing setting in Terraform",
        "terraform/app.tf",
        "      TOKEN_TENANT      = local.tenant\n",
        "",
        "TOKEN_TENANT is not set",
    ),
    Mistake(
        "setting that nothing reads in Terraform",
        "terraform/app.tf",
        "PUBLIC_URL        =",
        'PUBLIC_ADDRESS = "x"\n      PUBLIC_URL =',
        "setting surplus: PUBLIC_ADDRESS",
    ),
    Mistake(
        "plain storage setting in Terraform",
        "terraform/app.tf",
        "      AZURE_CLIENT_ID ",
        '      AzureWebJobsStorage = ""\n      AZURE_CLIENT_ID ',
        "setting forbidden: AzureWebJobsStorage",
    ),
    Mistake(
        "connection to the other account in Terraform",
        "terraform/app.tf",
        "STATE__tableServiceUri                    = local.state.",
        "STATE__tableServiceUri                    = local.content.",
        "table of STATE missing: Devices",
    ),
    Mistake(
        "queues left out in Terraform",
        "terraform/state.tf",
        "toset(local.stores.state.queues)",
        'toset(["resign"])',
        "queue of STATE missing: fanout",
    ),
    Mistake(
        "surplus role in Terraform",
        "terraform/content.tf",
        'manifests   = "Storage Blob Data Reader"',
        'manifests   = "Storage Blob Data Contributor"',
        "role surplus: ('app', 'Storage Blob Data Contributor', 'content/manifests')",
    ),
    Mistake(
        "role on too much in Terraform",
        "terraform/keyvault.tf",
        "azapi_resource_action.signing_key.resource_id",
        "azurerm_key_vault.vault.id",
        "role surplus: ('app', 'Key Vault Crypto User', 'kv-')",
    ),
    Mistake(
        "wrong event type in Terraform",
        "terraform/events.tf",
        '"Microsoft.Devices.DeviceDeleted"',
        '"Microsoft.Devices.DeviceTelemetry"',
        "subscription device-lifecycle: event types",
    ),
    Mistake(
        "wrong filter in Terraform",
        "terraform/events.tf",
        'ending    = "scan.json"',
        'ending    = ".json"',
        "subscription quarantined: end",
    ),
    Mistake(
        "missing subscription in Terraform",
        "terraform/events.tf",
        "    import-drop = {",
        "    import-drops = {",
        "subscription missing: import-drop",
    ),
    Mistake(
        "wrong source of a route in Terraform",
        "terraform/hub.tf",
        'source         = "TwinChangeEvents"',
        'source         = "DeviceConnectionStateEvents"',
        "hub route missing: TwinChangeEvents",
    ),
    Mistake(
        "wrong consumer group in Terraform",
        "terraform/eventhubs.tf",
        '"odu"',
        '"$Default"',
        "consumer group missing: odu",
    ),
    Mistake(
        "secret in an output in Terraform",
        "terraform/outputs.tf",
        "value       = azurerm_iothub.hub.name",
        "value       = ephemeral.azapi_resource_action.host_keys[0].output.systemKeys.master",
        "secret in output iot_hub_name",
    ),
    Mistake(
        "shared keys in Terraform alone",
        "terraform/content.tf",
        "shared_access_key_enabled       = false",
        "shared_access_key_enabled       = true",
        "properties.allowSharedKeyAccess is False in Bicep, True in Terraform",
    ),
    Mistake(
        "other days in Terraform",
        "terraform/state.tf",
        "days = var.soft_delete_days",
        "days = 1",
        "blobServices/default: properties.deleteRetentionPolicy.days",
    ),
    Mistake(
        "alert on what is never logged",
        "alerts.json",
        " failed: ",
        " has failed: ",
        "odu-failed-imports-abcdefghijklm waits for what is never logged",
    ),
    Mistake(
        "other severity in Bicep",
        "modules/alerts.bicep",
        "severity: item.severity",
        "severity: 4",
        "odu-poison-abcdefghijklm: properties.severity",
    ),
    Mistake(
        "resource in Bicep alone",
        "modules/identity.bicep",
        "output appId",
        "resource more 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {\n"
        "  name: 'id-more'\n  location: location\n  tags: tags\n}\n\noutput appId",
        "only in Bicep: /Microsoft.ManagedIdentity/userAssignedIdentities/id-more",
    ),
    Mistake(
        "Defender looks elsewhere too",
        "modules/defender.bicep",
        "'imports/', ",
        "",
        "Defender scans: imports",
    ),
)
