metadata description = 'Topics: the own one of the service, that of the hub and that of the content account. Their subscriptions follow once the code is deployed.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Identity that writes dead letters.')
param identityId string

@description('Resource id of the IoT hub.')
param hubId string

@description('Resource id of the content account.')
param contentAccountId string

@description('Name of the system topic of the content account.')
param contentTopicName string

@description('Identity of the app: it publishes to the topic.')
param appPrincipalId string

var dataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-${suffix}'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

// Defender publishes events of the Event Grid schema, with an identity of its own
resource scanTopic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-scan-${suffix}'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    inputSchema: 'EventGridSchema'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource hubTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgs-hub-${suffix}'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: { source: hubId, topicType: 'Microsoft.Devices.IoTHubs' }
}

resource contentTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: contentTopicName
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: { source: contentAccountId, topicType: 'Microsoft.Storage.StorageAccounts' }
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, appPrincipalId, dataSender)
  scope: topic
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataSender)
  }
}

output topicName string = topic.name
output watched array = [
  { name: 'service', id: topic.id, namespace: 'Microsoft.EventGrid/topics' }
  { name: 'scan', id: scanTopic.id, namespace: 'Microsoft.EventGrid/topics' }
  { name: 'hub', id: hubTopic.id, namespace: 'Microsoft.EventGrid/systemTopics' }
  { name: 'content', id: contentTopic.id, namespace: 'Microsoft.EventGrid/systemTopics' }
]
output scanTopicId string = scanTopic.id
output scanTopicName string = scanTopic.name
output topicEndpoint string = topic.properties.endpoint
output hubTopicName string = hubTopic.name
output contentTopicName string = contentTopic.name
