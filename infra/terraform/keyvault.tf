# The vault with the key that signs update manifests and the secret that seals the URLs of sources.

resource "azurerm_key_vault" "vault" {
  name                          = "kv-${local.suffix}"
  resource_group_name           = azurerm_resource_group.group.name
  location                      = var.location
  tenant_id                     = local.tenant
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = !var.private_network

  network_acls {
    default_action = var.private_network ? "Deny" : "Allow"
    bypass         = "AzureServices"
  }
}

# The key ceremony adds the versions that sign. Vaults must not rotate by themselves: devices trust
# only keys that a root key vouches for. Made through the resource manager, which needs no data role
# and no way into a private vault; an existing key is never overwritten.
resource "azapi_resource_action" "signing_key" {
  type        = "Microsoft.KeyVault/vaults/keys@2024-11-01"
  resource_id = "${azurerm_key_vault.vault.id}/keys/update-signing"
  method      = "PUT"

  body = {
    properties = {
      kty     = "RSA"
      keySize = 3072
      keyOps  = ["sign", "verify"]
      attributes = {
        enabled    = true
        exportable = false
      }
      rotationPolicy = {
        attributes = { expiryTime = "P2Y" }
        lifetimeActions = [
          {
            trigger = { timeBeforeExpiry = "P90D" }
            action  = { type = "notify" }
          }
        ]
      }
    }
  }
}

resource "azurerm_role_assignment" "app_signs" {
  scope                = azapi_resource_action.signing_key.resource_id
  role_definition_name = "Key Vault Crypto User"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "app_secret" {
  scope                = azurerm_key_vault.vault.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator_vault" {
  for_each = toset(local.operator_id == "" ? [] : ["Key Vault Crypto Officer", "Key Vault Secrets Officer"])

  scope                = azurerm_key_vault.vault.id
  role_definition_name = each.key
  principal_id         = local.operator_id
  principal_type       = var.operator_principal_type
}
