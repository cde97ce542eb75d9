# Open Device Update: everything it needs in one resource group, as infra/main.bicep describes it too.

terraform {
  required_version = ">= 1.11"

  required_providers {
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.12"
    }
    azuread = {
      source  = "hashicorp/azuread"
      version = "~> 3.9"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true

  resource_providers_to_register = [
    "Microsoft.App",
    "Microsoft.Devices",
    "Microsoft.EventGrid",
    "Microsoft.EventHub",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Security",
    "Microsoft.Storage",
    "Microsoft.Web",
  ]

  features {
    key_vault {
      # the vault cannot be purged before its time
      purge_soft_delete_on_destroy = false
    }
    storage {
      # accounts may be closed to the machine that applies this
      data_plane_available = false
    }
  }
}

provider "azapi" {
  subscription_id = var.subscription_id
}

provider "azuread" {}

data "azurerm_client_config" "current" {}

locals {
  suffix             = provider::azapi::unique_string(["/subscriptions/${var.subscription_id}", var.environment_name, var.location])
  stores             = jsondecode(file("${path.module}/../stores.json"))
  tenant             = data.azurerm_client_config.current.tenant_id
  operator_id        = var.operator_principal_id == "nobody" ? "" : var.operator_principal_id
  create_application = var.application_client_id == "register"
  audience           = local.create_application ? one(azuread_application.application[*].client_id) : var.application_client_id
}

resource "azurerm_resource_group" "group" {
  name     = "rg-${var.environment_name}"
  location = var.location
}
