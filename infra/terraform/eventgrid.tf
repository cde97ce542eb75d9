# Topics: the own one of the service, that of the hub and that of the content account.

# azurerm cannot set the least version of TLS
resource "azapi_resource" "topic" {
  type      = "Microsoft.EventGrid/topics@2025-02-15"
  name      = "evgt-${local.suffix}"
  parent_id = azurerm_resource_group.group.id
  location  = var.location

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.events.id]
  }

  body = {
    properties = {
      inputSchema              = "CloudEventSchemaV1_0"
      disableLocalAuth         = true
      minimumTlsVersionAllowed = "1.2"
      publicNetworkAccess      = "Enabled"
    }
  }

  response_export_values = ["properties.endpoint"]
}

# Defender publishes events of the Event Grid schema, with an identity of its own
resource "azapi_resource" "scan_topic" {
  type      = "Microsoft.EventGrid/topics@2025-02-15"
  name      = "evgt-scan-${local.suffix}"
  parent_id = azurerm_resource_group.group.id
  location  = var.location

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.events.id]
  }

  body = {
    properties = {
      inputSchema              = "EventGridSchema"
      disableLocalAuth         = true
      minimumTlsVersionAllowed = "1.2"
      publicNetworkAccess      = "Enabled"
    }
  }
}

resource "azurerm_eventgrid_system_topic" "hub" {
  name                = "evgs-hub-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  source_resource_id  = azurerm_iothub.hub.id
  topic_type          = "Microsoft.Devices.IoTHubs"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.events.id]
  }
}

resource "azurerm_eventgrid_system_topic" "content" {
  name                = var.content_system_topic == "" ? "evgs-content-${local.suffix}" : var.content_system_topic
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  source_resource_id  = azurerm_storage_account.content.id
  topic_type          = "Microsoft.Storage.StorageAccounts"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.events.id]
  }
}

resource "azurerm_role_assignment" "app_publishes" {
  scope                = azapi_resource.topic.id
  role_definition_name = "EventGrid Data Sender"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}
