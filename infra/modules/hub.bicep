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

var twinContributor = '494bdba2-168f-4f31-a0a1-191d2f7c028c'

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: 'iot-${suffix}'
  location: location
  tags: tags
  sku: { name: sku, capacity: units }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    disableLocalAuth: disableLocalAuth
    minTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
    routing: {
      endpoints: {
        eventHubs: [
          {
            name: 'twins'
            authenticationType: 'identityBased'
            endpointUri: 'sb://${eventHubsHost}'
            entityPath: twinsEventHub
            identity: { userAssignedIdentity: identityId }
          }
        ]
      }
      routes: [
        {
          name: 'twin-changes'
          source: 'TwinChangeEvents'
          condition: 'true'
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
      ]
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

output id string = hub.id
output name string = hub.name
output host string = hub.properties.hostName
