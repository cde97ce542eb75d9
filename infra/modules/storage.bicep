metadata description = 'A storage account that takes Entra identities only, what is in it, and who may use it.'

@minLength(3)
@maxLength(24)
@description('Name of the account.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Redundancy.')
param sku string

@description('Whether it can be reached from the internet.')
param isPublic bool

@description('Days that deleted blobs and containers can be brought back.')
param softDeleteDays int

@description('Blob containers.')
param containers array

@description('Queues.')
param queues array = []

@description('Tables.')
param tables array = []

@description('Containers whose blobs are deleted some days after their last change: { container, days }.')
param expiry array = []

@description('Containers whose blobs nobody can change or delete for some days after their creation: { container, days }.')
param immutable array = []

@description('Web pages that may upload blobs.')
param uploadOrigins array = []

@description('Roles on the whole account: { principalId, principalType, roleId }.')
param accountGrants array

@description('Roles on one container: { container, principalId, principalType, roleId }.')
param containerGrants array = []

@description('Roles on one queue: { queue, principalId, principalType, roleId }.')
param queueGrants array = []

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    defaultToOAuthAuthentication: true
    supportsHttpsTrafficOnly: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: isPublic ? 'Enabled' : 'Disabled'
    networkAcls: { defaultAction: isPublic ? 'Allow' : 'Deny', bypass: 'AzureServices' }
    sasPolicy: { sasExpirationPeriod: '7.00:00:00', expirationAction: 'Log' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    cors: {
      corsRules: [for origin in uploadOrigins: {
        allowedOrigins: [origin]
        allowedMethods: ['PUT']
        allowedHeaders: ['*']
        exposedHeaders: ['x-ms-request-id']
        maxAgeInSeconds: 3600
      }]
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for item in containers: {
  parent: blobs
  name: item
  properties: { publicAccess: 'None' }
}]

resource immutableContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for item in immutable: {
  parent: blobs
  name: item.container
}]

resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = [for (item, index) in immutable: {
  parent: immutableContainer[index]
  name: 'default'
  dependsOn: [container]
  properties: { immutabilityPeriodSinceCreationInDays: item.days }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for item in queues: {
  parent: queueService
  name: item
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [for item in tables: {
  parent: tableService
  name: item
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (!empty(expiry)) {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: {
      rules: [for rule in expiry: {
        name: 'expire-${rule.container}'
        type: 'Lifecycle'
        enabled: true
        definition: {
          filters: { blobTypes: ['blockBlob'], prefixMatch: ['${rule.container}/'] }
          actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: rule.days } } }
        }
      }]
    }
  }
}

resource accountGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for grant in accountGrants: {
  name: guid(account.id, grant.principalId, grant.roleId)
  scope: account
  properties: {
    principalId: grant.principalId
    principalType: grant.principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.roleId)
  }
}]

resource grantedContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for grant in containerGrants: {
  parent: blobs
  name: grant.container
}]

resource containerGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (grant, index) in containerGrants: {
  name: guid(account.id, grant.container, grant.principalId, grant.roleId)
  scope: grantedContainer[index]
  dependsOn: [container]
  properties: {
    principalId: grant.principalId
    principalType: grant.principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.roleId)
  }
}]

resource grantedQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = [for grant in queueGrants: {
  parent: queueService
  name: grant.queue
}]

resource queueGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (grant, index) in queueGrants: {
  name: guid(account.id, grant.queue, grant.principalId, grant.roleId)
  scope: grantedQueue[index]
  dependsOn: [queue]
  properties: {
    principalId: grant.principalId
    principalType: grant.principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.roleId)
  }
}]

output id string = account.id
output name string = account.name
output endpoints object = account.properties.primaryEndpoints
