# The stream of twin changes: the hub sends to it and the app reads from it, both by identity.
# The own endpoint of the hub takes shared keys only.

locals {
  event_hubs_host = "${azurerm_eventhub_namespace.twins.name}.servicebus.windows.net"
}

resource "azurerm_eventhub_namespace" "twins" {
  name                          = "evh-${local.suffix}"
  resource_group_name           = azurerm_resource_group.group.name
  location                      = var.location
  sku                           = "Standard"
  capacity                      = var.twin_throughput_units
  auto_inflate_enabled          = var.twin_maximum_throughput_units > var.twin_throughput_units
  maximum_throughput_units      = var.twin_maximum_throughput_units > var.twin_throughput_units ? var.twin_maximum_throughput_units : 0
  local_authentication_enabled  = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = !var.private_network

  dynamic "network_rulesets" {
    for_each = var.private_network ? [true] : []

    content {
      default_action                 = "Deny"
      public_network_access_enabled  = false
      trusted_service_access_enabled = true
    }
  }
}

resource "azurerm_eventhub" "twins" {
  name            = "twins"
  namespace_id    = azurerm_eventhub_namespace.twins.id
  partition_count = var.twin_partitions

  retention_description {
    cleanup_policy          = "Delete"
    retention_time_in_hours = 168
  }
}

resource "azurerm_eventhub_consumer_group" "readers" {
  name                = "odu"
  namespace_name      = azurerm_eventhub_namespace.twins.name
  eventhub_name       = azurerm_eventhub.twins.name
  resource_group_name = azurerm_resource_group.group.name
}

resource "azurerm_role_assignment" "hub_sends" {
  scope                = azurerm_eventhub.twins.id
  role_definition_name = "Azure Event Hubs Data Sender"
  principal_id         = azurerm_user_assigned_identity.hub.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "app_receives" {
  scope                = azurerm_eventhub.twins.id
  role_definition_name = "Azure Event Hubs Data Receiver"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}
