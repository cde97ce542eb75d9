# Event subscriptions, once the code is deployed: Event Grid refuses a subscription whose function
# does not exist, and the key of the blob webhook appears when the host has started.

locals {
  to_functions = {
    twin-changes = {
      type     = "Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15"
      topic    = azapi_resource.topic.id
      function = "apply_twin_changes"
      schema   = "CloudEventSchemaV1_0"
      filter   = { includedEventTypes = ["OpenDeviceUpdate.TwinChanges"] }
    }
    malware-scanned = {
      type     = "Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15"
      topic    = azapi_resource.scan_topic.id
      function = "apply_malware_result"
      schema   = "EventGridSchema"
      filter   = { includedEventTypes = ["Microsoft.Security.MalwareScanningResult"] }
    }
    device-lifecycle = {
      type     = "Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15"
      topic    = azurerm_eventgrid_system_topic.hub.id
      function = "apply_device_event"
      schema   = "EventGridSchema"
      filter = {
        includedEventTypes = [
          "Microsoft.Devices.DeviceDeleted",
          "Microsoft.Devices.DeviceConnected",
          "Microsoft.Devices.DeviceDisconnected",
        ]
      }
    }
  }
  to_blob_triggers = {
    import-drop = {
      function  = "import_dropped"
      container = "imports"
      ending    = ".importmanifest.json"
    }
    quarantined = {
      function  = "scan_quarantined"
      container = "quarantine"
      ending    = "scan.json"
    }
  }
  delivery = {
    retryPolicy = {
      maxDeliveryAttempts      = 30
      eventTimeToLiveInMinutes = 1440
    }
    deadLetterWithResourceIdentity = {
      identity = {
        type                 = "UserAssigned"
        userAssignedIdentity = azurerm_user_assigned_identity.events.id
      }
      deadLetterDestination = {
        endpointType = "StorageBlob"
        properties = {
          resourceId        = azurerm_storage_account.content.id
          blobContainerName = "deadletter"
        }
      }
    }
  }
  webhook = "https://${azapi_resource.app.output.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions."
}

# read at each run and stored nowhere
ephemeral "azapi_resource_action" "host_keys" {
  count = var.code_deployed ? 1 : 0

  type                   = "Microsoft.Web/sites/host@2024-04-01"
  resource_id            = "${azapi_resource.app.id}/host/default"
  action                 = "listKeys"
  response_export_values = ["systemKeys.blobs_extension"]
}

resource "azapi_resource" "to_function" {
  for_each = { for name, item in local.to_functions : name => item if var.code_deployed }

  type      = each.value.type
  name      = each.key
  parent_id = each.value.topic

  body = {
    properties = merge(local.delivery, {
      destination = {
        endpointType = "AzureFunction"
        properties = {
          resourceId        = "${azapi_resource.app.id}/functions/${each.value.function}"
          maxEventsPerBatch = 1
        }
      }
      filter              = each.value.filter
      eventDeliverySchema = each.value.schema
    })
  }

  # the platform lists new functions some time after a deployment
  retry = {
    error_message_regex = ["Destination endpoint not found"]
  }

  depends_on = [azapi_resource_action.settings, azurerm_role_assignment.dead_letters]
}

# the host answers the validation of a webhook once it has started
resource "azapi_resource" "to_blob_trigger" {
  for_each = { for name, item in local.to_blob_triggers : name => item if var.code_deployed }

  type      = "Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15"
  name      = each.key
  parent_id = azurerm_eventgrid_system_topic.content.id

  body = {
    properties = merge(local.delivery, {
      destination = {
        endpointType = "WebHook"
        properties   = { maxEventsPerBatch = 1 }
      }
      filter = {
        includedEventTypes = ["Microsoft.Storage.BlobCreated"]
        subjectBeginsWith  = "/blobServices/default/containers/${each.value.container}/blobs/"
        subjectEndsWith    = each.value.ending
      }
      eventDeliverySchema = "EventGridSchema"
    })
  }

  sensitive_body = {
    properties = {
      destination = {
        properties = {
          endpointUrl = "${local.webhook}${each.value.function}&code=${ephemeral.azapi_resource_action.host_keys[0].output.systemKeys.blobs_extension}"
        }
      }
    }
  }

  retry = {
    error_message_regex = ["Webhook validation handshake failed", "Destination endpoint not found"]
  }

  depends_on = [azapi_resource_action.settings, azurerm_role_assignment.dead_letters]
}
