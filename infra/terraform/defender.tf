# Defender for Storage scans what is uploaded to quarantine. Its verdicts reach the service by
# events, people by blob index tags. azurerm has no filters for it.

resource "azapi_resource_action" "defender" {
  count = var.defender_scan == "leave" ? 0 : 1

  type        = "Microsoft.Security/defenderForStorageSettings@2025-06-01"
  resource_id = "${azurerm_storage_account.content.id}/providers/Microsoft.Security/defenderForStorageSettings/current"
  method      = "PUT"

  body = {
    properties = {
      isEnabled                         = var.defender_scan == "on"
      overrideSubscriptionLevelSettings = true
      malwareScanning = {
        onUpload = {
          isEnabled     = var.defender_scan == "on"
          capGBPerMonth = var.defender_gigabytes
          filters = {
            excludeBlobsWithPrefix = [for container in local.stores.content.containers : "${container}/" if container != "quarantine"]
          }
        }
        scanResultsEventGridTopicResourceId = azapi_resource.scan_topic.id
        blobScanResultsOptions              = "blobIndexTags"
      }
      sensitiveDataDiscovery = { isEnabled = false }
    }
  }
}
