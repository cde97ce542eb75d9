# Logs, traces and metrics of the app; it sends them with its identity.

resource "azurerm_log_analytics_workspace" "workspace" {
  name                         = "log-${local.suffix}"
  resource_group_name          = azurerm_resource_group.group.name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = 30
  local_authentication_enabled = false
}

resource "azurerm_application_insights" "insights" {
  name                         = "appi-${local.suffix}"
  resource_group_name          = azurerm_resource_group.group.name
  location                     = var.location
  application_type             = "web"
  workspace_id                 = azurerm_log_analytics_workspace.workspace.id
  local_authentication_enabled = false
}

resource "azurerm_role_assignment" "app_telemetry" {
  scope                = azurerm_application_insights.insights.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}
