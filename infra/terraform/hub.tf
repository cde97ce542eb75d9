# The IoT hub; it routes twin changes and deletions to Event Hubs with its identity, and everything else to its own endpoint.

locals {
  sender = var.hub_system_identity ? null : azurerm_user_assigned_identity.hub.id
}

resource "azurerm_iothub" "hub" {
  name                          = "iot-${local.suffix}"
  resource_group_name           = azurerm_resource_group.group.name
  location                      = var.location
  local_authentication_enabled  = !var.hub_disable_local_auth
  min_tls_version               = "1.2"
  public_network_access_enabled = true

  sku {
    name     = var.hub_sku
    capacity = var.hub_units
  }

  identity {
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.hub.id]
  }

  endpoint {
    name                = "twins"
    type                = "AzureIotHub.EventHub"
    authentication_type = "identityBased"
    identity_id         = local.sender
    endpoint_uri        = "sb://${local.event_hubs_host}"
    entity_path         = azurerm_eventhub.twins.name
  }

  dynamic "endpoint" {
    for_each = var.additional_endpoints

    content {
      name                = endpoint.value.name
      type                = "AzureIotHub.EventHub"
      authentication_type = "identityBased"
      identity_id         = local.sender
      endpoint_uri        = endpoint.value.endpointUri
      entity_path         = endpoint.value.entityPath
    }
  }

  # our own writes to desired properties are no news; a body that cannot be read is sent on
  route {
    name           = "twin-changes"
    source         = "TwinChangeEvents"
    condition      = "NOT IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.properties.reported) OR IS_OBJECT($body.tags) OR opType = 'replaceTwin'"
    endpoint_names = ["twins"]
    enabled        = true
  }

  # deletions of modules, of which Event Grid is not told
  route {
    name           = "module-deletions"
    source         = "DeviceLifecycleEvents"
    condition      = "opType = 'deleteModuleIdentity' OR opType = 'deleteDeviceIdentity'"
    endpoint_names = ["twins"]
    enabled        = true
  }

  dynamic "route" {
    for_each = var.additional_routes

    content {
      name           = route.value.name
      source         = route.value.source
      condition      = route.value.condition
      endpoint_names = route.value.endpointNames
      enabled        = true
    }
  }

  fallback_route {
    source         = "DeviceMessages"
    condition      = "true"
    endpoint_names = ["events"]
    enabled        = true
  }

  # a route is refused whose identity may not send yet
  depends_on = [azurerm_role_assignment.hub_sends]
}

resource "azurerm_role_assignment" "app_twins" {
  scope                = azurerm_iothub.hub.id
  role_definition_name = "IoT Hub Twin Contributor"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "hub_system_sends" {
  scope                = azurerm_eventhub.twins.id
  role_definition_name = "Azure Event Hubs Data Sender"
  principal_id         = azurerm_iothub.hub.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}
