# The content account: dropped manifests, quarantine, content, keyring, YARA rules, diagnostics, dead letters.

locals {
  container_roles = {
    imports     = "Storage Blob Data Contributor"
    quarantine  = "Storage Blob Data Contributor"
    content     = "Storage Blob Data Contributor"
    diagnostics = "Storage Blob Data Contributor"
    deadletter  = "Storage Blob Data Contributor"
    uploads     = "Storage Blob Data Contributor"
    audit       = "Storage Blob Data Contributor"
    rules       = "Storage Blob Data Contributor"
    manifests   = "Storage Blob Data Reader"
  }
}

resource "azurerm_storage_account" "content" {
  name                            = "content${local.suffix}"
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
  public_network_access_enabled   = true

  cross_tenant_replication_enabled = false

  network_rules {
    default_action = "Allow"
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
    cors_rule {
      allowed_origins    = [local.console_origin]
      allowed_methods    = ["PUT"]
      allowed_headers    = ["*"]
      exposed_headers    = ["x-ms-request-id"]
      max_age_in_seconds = 3600
    }
  }
}

resource "azurerm_storage_container" "content" {
  for_each = toset(local.stores.content.containers)

  name                  = each.key
  storage_account_id    = azurerm_storage_account.content.id
  container_access_type = "private"
}

resource "azurerm_storage_container_immutability_policy" "content" {
  for_each = { for item in local.stores.content.immutable : item.container => item.days }

  storage_container_resource_manager_id = azurerm_storage_container.content[each.key].id
  immutability_period_in_days           = each.value
}

resource "azurerm_storage_management_policy" "content" {
  storage_account_id = azurerm_storage_account.content.id

  dynamic "rule" {
    for_each = local.stores.content.expiry

    content {
      name    = "expire-${rule.value.container}"
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = ["${rule.value.container}/"]
      }

      actions {
        base_blob {
          delete_after_days_since_modification_greater_than = rule.value.days
        }
      }
    }
  }
}

resource "azurerm_role_assignment" "app_content" {
  for_each = toset(["Storage Blob Delegator", "Storage Queue Data Contributor"])

  scope                = azurerm_storage_account.content.id
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "app_container" {
  for_each = local.container_roles

  scope                = azurerm_storage_container.content[each.key].id
  role_definition_name = each.value
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "dead_letters" {
  scope                = azurerm_storage_container.content["deadletter"].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.events.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator_container" {
  for_each = toset(local.operator_id == "" ? [] : ["imports", "manifests", "rules"])

  scope                = azurerm_storage_container.content[each.key].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = local.operator_id
  principal_type       = var.operator_principal_type
}
