metadata description = 'The IoT hub; it routes twin changes and deletions to Event Hubs with its identity, and everything else to its own endpoint.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Tier.')
param sku string

@description('Units.')
param units int

@description('Whether services must come with an Entra identity.')
param disableLocalAuth bool

@description('Identity of the hub; it must already be allowed to send to the stream.')
param identityId string

@description('Host name of the Event Hubs namespace.')
param eventHubsHost string

@description('Name of the stream of twin changes.')
param twinsEventHub string

@description('Identity of the app: it reads, queries and patches twins.')
param appPrincipalId string

@description('Name of the Event Hubs namespace.')
param eventHubsName string

@description('Whether to send as the system identity.')
param useSystemIdentity bool

@description('More routes: { name, source, condition, endpointNames }.')
param additionalRoutes array

@description('Where those lead to: { name, endpointUri, entityPath }.')
param additionalEndpoints array

var sender = useSystemIdentity ? null : { userAssignedIdentity: identityId }
var furtherEndpoints = [for item in additionalEndpoints: {
  name: item.name
  authenticationType: 'identityBased'
  endpointUri: item.endpointUri
  entityPath: item.entityPath
  identity: sender
}]
var furtherRoutes = [for item in additionalRoutes: {
  name: item.name
  source: item.source
  condition: item.condition
  endpointNames: item.endpointNames
  isEnabled: true
}]
var dataSender = '2b629674-e913-4c01-ae53-ef4638d8f975'
var twinContributor = '494bdba2-168f-4f31-a0a1-191d2f7c028c'

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: 'iot-${suffix}'
  location: location
  tags: tags
  sku: { name: sku, capacity: units }
  identity: { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    disableLocalAuth: disableLocalAuth
    minTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
    routing: {
      endpoints: {
        eventHubs: concat([
          {
            name: 'twins'
            authenticationType: 'identityBased'
            endpointUri: 'sb://${eventHubsHost}'
            entityPath: twinsEventHub
            identity: sender
          }
        ], furtherEndpoints)
      }
      routes: concat([
        {
          name: 'twin-changes'
          source: 'TwinChangeEvents'
          // our own writes to desired properties are no news; a body that cannot be read is sent on
          condition: 'NOT IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.properties.reported) OR IS_OBJECT($body.tags) OR opType = \'replaceTwin\''
          endpointNames: ['twins']
          isEnabled: true
        }
        {
          // deletions of modules, of which Event Grid is not told
          name: 'module-deletions'
          source: 'DeviceLifecycleEvents'
          condition: 'opType = \'deleteModuleIdentity\' OR opType = \'deleteDeviceIdentity\''
          endpointNames: ['twins']
          isEnabled: true
        }
      ], furtherRoutes)
      fallbackRoute: {
        name: 'fallback'
        source: 'DeviceMessages'
        condition: 'true'
        endpointNames: ['events']
        isEnabled: true
      }
    }
  }
}

resource twins 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hub.id, appPrincipalId, twinContributor)
  scope: hub
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', twinContributor)
  }
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: eventHubsName
}

resource stream 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: namespace
  name: twinsEventHub
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(stream.id, hub.id, dataSender)
  scope: stream
  properties: {
    principalId: hub.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataSender)
  }
}

output id string = hub.id
output name string = hub.name
output host string = hub.properties.hostName
