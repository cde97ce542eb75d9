# The IoT hub; it routes twin changes and deletions to Event Hubs with its identity, and everything else to its own endpoint.

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
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.hub.id]
  }

  endpoint {
    name                = "twins"
    type                = "AzureIotHub.EventHub"
    authentication_type = "identityBased"
    identity_id         = azurerm_user_assigned_identity.hub.id
    endpoint_uri        = "sb://${local.event_hubs_host}"
    entity_path         = azurerm_eventhub.twins.name
  }

  route {
    name           = "twin-changes"
    source         = "TwinChangeEvents"
    condition      = "true"
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
