metadata description = 'Event subscriptions. Deployed after the code: Event Grid refuses a subscription whose function does not exist, and the key of the blob webhook appears when the host has started.'

@description('Name of the function app.')
param appName string

@description('Name of the topic of the service.')
param topicName string

@description('Name of the topic of Microsoft Defender.')
param scanTopicName string

@description('Name of the system topic of the hub.')
param hubTopicName string

@description('Name of the system topic of the content account.')
param contentTopicName string

@description('Identity that writes dead letters.')
param identityId string

@description('Resource id of the content account, which keeps dead letters.')
param contentAccountId string

var retry = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
var deadLetter = {
  identity: { type: 'UserAssigned', userAssignedIdentity: identityId }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: { resourceId: contentAccountId, blobContainerName: 'deadletter' }
  }
}
var webhook = 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.'

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource scanTopic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: scanTopicName
}

resource hubTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: hubTopicName
}

resource contentTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: contentTopicName
}

resource twinChanges 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'twin-changes'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: { resourceId: '${app.id}/functions/apply_twin_changes', maxEventsPerBatch: 1 }
    }
    filter: { includedEventTypes: ['OpenDeviceUpdate.TwinChanges'] }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    retryPolicy: retry
    deadLetterWithResourceIdentity: deadLetter
  }
}

resource malwareScanned 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: scanTopic
  name: 'malware-scanned'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: { resourceId: '${app.id}/functions/apply_malware_result', maxEventsPerBatch: 1 }
    }
    filter: { includedEventTypes: ['Microsoft.Security.MalwareScanningResult'] }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: retry
    deadLetterWithResourceIdentity: deadLetter
  }
}

resource deviceLifecycle 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: hubTopic
  name: 'device-lifecycle'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: { resourceId: '${app.id}/functions/apply_device_event', maxEventsPerBatch: 1 }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.Devices.DeviceDeleted'
        'Microsoft.Devices.DeviceConnected'
        'Microsoft.Devices.DeviceDisconnected'
      ]
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: retry
    deadLetterWithResourceIdentity: deadLetter
  }
}

resource importDrop 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: contentTopic
  name: 'import-drop'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: '${webhook}import_dropped&code=${listKeys('${app.id}/host/default', '2024-04-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/imports/blobs/'
      subjectEndsWith: '.importmanifest.json'
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: retry
    deadLetterWithResourceIdentity: deadLetter
  }
}

resource quarantined 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: contentTopic
  name: 'quarantined'
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: '${webhook}scan_quarantined&code=${listKeys('${app.id}/host/default', '2024-04-01').systemKeys.blobs_extension}'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/quarantine/blobs/'
      subjectEndsWith: 'scan.json'
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: retry
    deadLetterWithResourceIdentity: deadLetter
  }
}
