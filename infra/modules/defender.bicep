metadata description = 'Defender for Storage scans what is uploaded to quarantine. Its verdicts are blob index tags for people; the service decides by its own scanner.'

@description('Name of the content account.')
param accountName string

@description('Most gigabytes scanned a month.')
param gigabytes int

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource scan 'Microsoft.Security/defenderForStorageSettings@2025-06-01' = {
  name: 'current'
  scope: account
  properties: {
    isEnabled: true
    overrideSubscriptionLevelSettings: true
    malwareScanning: {
      onUpload: {
        isEnabled: true
        capGBPerMonth: gigabytes
        filters: { excludeBlobsWithPrefix: ['imports/', 'content/', 'manifests/', 'rules/', 'deadletter/', 'diagnostics/'] }
      }
      blobScanResultsOptions: 'blobIndexTags'
    }
    sensitiveDataDiscovery: { isEnabled: false }
  }
}
