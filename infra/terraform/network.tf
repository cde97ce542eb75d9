# The private network, where chosen: a subnet that the app sends from, and private endpoints of the
# state account, the key vault and the stream of twin changes, with their DNS zones.

locals {
  links = {
    blob  = { group = "blob", target = azurerm_storage_account.state.id, zone = "privatelink.blob.core.windows.net" }
    queue = { group = "queue", target = azurerm_storage_account.state.id, zone = "privatelink.queue.core.windows.net" }
    table = { group = "table", target = azurerm_storage_account.state.id, zone = "privatelink.table.core.windows.net" }
    vault = { group = "vault", target = azurerm_key_vault.vault.id, zone = "privatelink.vaultcore.azure.net" }
    twins = { group = "namespace", target = azurerm_eventhub_namespace.twins.id, zone = "privatelink.servicebus.windows.net" }
  }
  private_links = { for name, link in local.links : name => link if var.private_network }
}

resource "azurerm_virtual_network" "network" {
  count = var.private_network ? 1 : 0

  name                = "vnet-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  address_space       = ["10.60.0.0/24"]

  subnet {
    name             = "app"
    address_prefixes = ["10.60.0.0/26"]

    delegation {
      name = "app"

      service_delegation {
        name = "Microsoft.App/environments"
      }
    }
  }

  subnet {
    name             = "endpoints"
    address_prefixes = ["10.60.0.64/26"]
  }

  dynamic "subnet" {
    for_each = var.additional_subnets

    content {
      name             = subnet.value.name
      address_prefixes = [subnet.value.addressPrefix]
    }
  }
}

resource "azurerm_private_dns_zone" "zone" {
  for_each = local.private_links

  name                = each.value.zone
  resource_group_name = azurerm_resource_group.group.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "zone" {
  for_each = local.private_links

  name                 = "network"
  private_dns_zone_id  = azurerm_private_dns_zone.zone[each.key].id
  virtual_network_id   = azurerm_virtual_network.network[0].id
  registration_enabled = false

  # a name that is not here, for another account of the same kind, is looked up in public
  resolution_policy = "NxDomainRedirect"
}

resource "azurerm_private_endpoint" "endpoint" {
  for_each = local.private_links

  name                = "pe-${each.key}-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  subnet_id           = "${azurerm_virtual_network.network[0].id}/subnets/endpoints"

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.target
    subresource_names              = [each.value.group]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.zone[each.key].id]
  }
}
