# The function app on Flex Consumption, with every setting that the code reads. By azapi, because
# azurerm adds the setting AzureWebJobsStorage, which would win over those that name an identity.

locals {
  login      = "https://login.microsoftonline.com/${local.tenant}"
  credential = "managedidentity"
  client_id  = azurerm_user_assigned_identity.app.client_id
  state      = azurerm_storage_account.state
  content    = azurerm_storage_account.content
}

resource "azurerm_service_plan" "plan" {
  name                = "plan-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1"
}

resource "azapi_resource" "app" {
  type      = "Microsoft.Web/sites@2024-04-01"
  name      = "func-${local.suffix}"
  parent_id = azurerm_resource_group.group.id
  location  = var.location

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  body = {
    kind = "functionapp,linux"
    properties = {
      serverFarmId              = azurerm_service_plan.plan.id
      httpsOnly                 = true
      keyVaultReferenceIdentity = azurerm_user_assigned_identity.app.id
      virtualNetworkSubnetId    = var.private_network ? "${azurerm_virtual_network.network[0].id}/subnets/app" : null
      siteConfig = {
        minTlsVersion = "1.2"
        ftpsState     = "Disabled"
        http20Enabled = true
      }
      functionAppConfig = {
        deployment = {
          storage = {
            type  = "blobContainer"
            value = "${local.state.primary_blob_endpoint}${local.stores.state.containers[0]}"
            authentication = {
              type                           = "UserAssignedIdentity"
              userAssignedIdentityResourceId = azurerm_user_assigned_identity.app.id
            }
          }
        }
        runtime = {
          name    = "python"
          version = var.python_version
        }
        scaleAndConcurrency = {
          instanceMemoryMB     = var.instance_memory
          maximumInstanceCount = var.maximum_instances
          alwaysReady          = [for count in [var.always_ready_imports] : { name = "blob", instanceCount = count } if count > 0]
          triggers             = { http = { perInstanceConcurrency = 16 } }
        }
      }
    }
  }

  response_export_values = ["properties.defaultHostName"]

  depends_on = [azurerm_role_assignment.app_state, azurerm_storage_container.state]
}

# an action, for settings can be put but not read like other resources
resource "azapi_resource_action" "settings" {
  type        = "Microsoft.Web/sites/config@2024-04-01"
  resource_id = "${azapi_resource.app.id}/config/appsettings"
  method      = "PUT"

  body = {
    properties = merge({ TELEMETRY = "azure-monitor" }, var.defender_scan == "on" ? { SCAN_ENGINES = "yara-x,defender" } : {}, var.optional_settings, {
      AzureWebJobsStorage__blobServiceUri       = local.state.primary_blob_endpoint
      AzureWebJobsStorage__queueServiceUri      = local.state.primary_queue_endpoint
      AzureWebJobsStorage__tableServiceUri      = local.state.primary_table_endpoint
      AzureWebJobsStorage__credential           = local.credential
      AzureWebJobsStorage__clientId             = local.client_id
      STATE__queueServiceUri                    = local.state.primary_queue_endpoint
      STATE__tableServiceUri                    = local.state.primary_table_endpoint
      STATE__credential                         = local.credential
      STATE__clientId                           = local.client_id
      CONTENT__blobServiceUri                   = local.content.primary_blob_endpoint
      CONTENT__queueServiceUri                  = local.content.primary_queue_endpoint
      CONTENT__credential                       = local.credential
      CONTENT__clientId                         = local.client_id
      TWINS__fullyQualifiedNamespace            = local.event_hubs_host
      TWINS__credential                         = local.credential
      TWINS__clientId                           = local.client_id
      AZURE_CLIENT_ID                           = local.client_id
      APPLICATIONINSIGHTS_CONNECTION_STRING     = azurerm_application_insights.insights.connection_string
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${local.client_id};Authorization=AAD"
      EVENTS_TOPIC_ENDPOINT                     = azapi_resource.topic.output.properties.endpoint
      CUSTOMER_TOPIC_ENDPOINT                   = var.customer_events ? azapi_resource.customers[0].output.properties.endpoint : ""
      INSTANCES = jsonencode(concat([
        {
          hubName = azurerm_iothub.hub.name
          id      = var.instance_id
          iotHub  = azurerm_iothub.hub.hostname
        }
      ], var.additional_instances))
      TOKEN_ISSUER      = "${local.login}/v2.0"
      TOKEN_JWKS_URI    = "${local.login}/discovery/v2.0/keys"
      TOKEN_AUDIENCE    = local.audience
      TOKEN_TENANT      = local.tenant
      SIGNING_VAULT_URL = azurerm_key_vault.vault.vault_uri
      SOURCE_URL_KEY    = "@Microsoft.KeyVault(SecretUri=${azurerm_key_vault.vault.vault_uri}secrets/source-url-key)"
      CONSOLE_CLIENT_ID = local.audience
      PUBLIC_URL        = "https://${azapi_resource.app.output.properties.defaultHostName}"
    })
  }
}

resource "azapi_update_resource" "publishing" {
  for_each = toset(["scm", "ftp"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01"
  name      = each.key
  parent_id = azapi_resource.app.id

  body = {
    properties = {
      allow = false
    }
  }
}
