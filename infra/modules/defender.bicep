metadata description = 'Defender for Storage scans what is uploaded to quarantine. Its verdicts reach the service by events, people by blob index tags.'

@description('Name of the content account.')
param accountName string

@description('Resource id of the topic that takes the results.')
param topicId string

@description('Most gigabytes scanned a month.')
param gigabytes int

@description('Whether it scans.')
param isOn bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource scan 'Microsoft.Security/defenderForStorageSettings@2025-06-01' = {
  name: 'current'
  scope: account
  properties: {
    isEnabled: isOn
    overrideSubscriptionLevelSettings: true
    malwareScanning: {
      onUpload: {
        isEnabled: isOn
        capGBPerMonth: gigabytes
        filters: { excludeBlobsWithPrefix: ['imports/', 'content/', 'manifests/', 'rules/', 'deadletter/', 'diagnostics/', 'audit/', 'uploads/'] }
      }
      scanResultsEventGridTopicResourceId: topicId
      blobScanResultsOptions: 'blobIndexTags'
    }
    sensitiveDataDiscovery: { isEnabled: false }
  }
}
