# Topic on which the service tells the systems of its customers what has happened: docs/events.md.

# azurerm cannot set the least version of TLS
resource "azapi_resource" "customers" {
  count = var.customer_events ? 1 : 0

  type      = "Microsoft.EventGrid/topics@2025-02-15"
  name      = "evgt-customers-${local.suffix}"
  parent_id = azurerm_resource_group.group.id
  location  = var.location

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

resource "azurerm_role_assignment" "app_tells_customers" {
  count = var.customer_events ? 1 : 0

  scope                = azapi_resource.customers[0].id
  role_definition_name = "EventGrid Data Sender"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}
