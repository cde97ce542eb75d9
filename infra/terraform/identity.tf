# The identities of the app, of the hub (it sends to Event Hubs) and of Event Grid (it writes dead letters).

resource "azurerm_user_assigned_identity" "app" {
  name                = "id-app-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
}

resource "azurerm_user_assigned_identity" "hub" {
  name                = "id-hub-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
}

resource "azurerm_user_assigned_identity" "events" {
  name                = "id-events-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
}
