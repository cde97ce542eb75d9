# The state account: tables, work queues, the host's own blobs and the deployed package.

resource "azurerm_storage_account" "state" {
  name                            = "state${local.suffix}"
  resource_group_name             = azurerm_resource_group.group.name
  location                        = var.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = trimprefix(var.storage_sku, "Standard_")
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  https_traffic_only_enabled      = true
  min_tls_version                 = "TLS1_2"
  public_network_access_enabled   = !var.private_network

  cross_tenant_replication_enabled = false

  network_rules {
    default_action = var.private_network ? "Deny" : "Allow"
    bypass         = ["AzureServices"]
  }

  sas_policy {
    expiration_period = "7.00:00:00"
    expiration_action = "Log"
  }

  blob_properties {
    delete_retention_policy {
      days = var.soft_delete_days
    }
    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }
}

resource "azurerm_storage_container" "state" {
  for_each = toset(local.stores.state.containers)

  name                  = each.key
  storage_account_id    = azurerm_storage_account.state.id
  container_access_type = "private"
}

resource "azurerm_storage_queue" "state" {
  for_each = toset(local.stores.state.queues)

  name               = each.key
  storage_account_id = azurerm_storage_account.state.id
}

resource "azurerm_storage_table" "state" {
  for_each = toset(local.stores.state.tables)

  name               = each.key
  storage_account_id = azurerm_storage_account.state.id
}

resource "azurerm_role_assignment" "app_state" {
  for_each = toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])

  scope                = azurerm_storage_account.state.id
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator_resign" {
  count = local.operator_id == "" ? 0 : 1

  scope                = azurerm_storage_queue.state["resign"].id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = local.operator_id
  principal_type       = var.operator_principal_type
}
