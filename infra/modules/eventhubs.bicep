metadata description = 'The stream of twin changes: the hub sends to it and the app reads from it, both by identity. The own endpoint of the hub takes shared keys only.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Partitions of the stream.')
param partitions int

@description('Whether it can be reached from the internet.')
param isPublic bool

@description('Throughput units at least.')
param throughputUnits int

@description('Throughput units that it may grow to.')
param maximumThroughputUnits int

@description('Who sends: the identity of the hub.')
param senderPrincipalId string

@description('Who receives: the identity of the app.')
param receiverPrincipalId string

var dataSender = '2b629674-e913-4c01-ae53-ef4638d8f975'
var dataReceiver = 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: 'evh-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard', capacity: throughputUnits }
  properties: {
    disableLocalAuth: true
    isAutoInflateEnabled: maximumThroughputUnits > throughputUnits
    maximumThroughputUnits: maximumThroughputUnits > throughputUnits ? maximumThroughputUnits : 0
    minimumTlsVersion: '1.2'
    publicNetworkAccess: isPublic ? 'Enabled' : 'Disabled'
  }
}

resource rules 'Microsoft.EventHub/namespaces/networkRuleSets@2024-01-01' = if (!isPublic) {
  parent: namespace
  name: 'default'
  properties: {
    publicNetworkAccess: 'Disabled'
    defaultAction: 'Deny'
    trustedServiceAccessEnabled: true
  }
}

resource twins 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: 'twins'
  properties: {
    partitionCount: partitions
    retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: 168 }
  }
}

resource readers 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: twins
  name: 'odu'
}

resource send 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(twins.id, senderPrincipalId, dataSender)
  scope: twins
  properties: {
    principalId: senderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataSender)
  }
}

resource receive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(twins.id, receiverPrincipalId, dataReceiver)
  scope: twins
  properties: {
    principalId: receiverPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataReceiver)
  }
}

output namespaceId string = namespace.id
output namespaceName string = namespace.name
output host string = '${namespace.name}.servicebus.windows.net'
output twinsName string = twins.name
