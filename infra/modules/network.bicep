metadata description = 'Private endpoints of the state account, the key vault and the stream of twin changes, with their DNS zones.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the network.')
param networkId string

@description('Resource id of the subnet for private endpoints.')
param subnetId string

@description('Resource id of the state account.')
param stateAccountId string

@description('Resource id of the vault.')
param vaultId string

@description('Resource id of the Event Hubs namespace.')
param eventHubsId string

var links = [
  { name: 'blob', group: 'blob', target: stateAccountId, zone: 'privatelink.blob.${environment().suffixes.storage}' }
  { name: 'queue', group: 'queue', target: stateAccountId, zone: 'privatelink.queue.${environment().suffixes.storage}' }
  { name: 'table', group: 'table', target: stateAccountId, zone: 'privatelink.table.${environment().suffixes.storage}' }
  { name: 'vault', group: 'vault', target: vaultId, zone: 'privatelink.vaultcore.azure.net' }
  { name: 'twins', group: 'namespace', target: eventHubsId, zone: 'privatelink.servicebus.windows.net' }
]

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [for link in links: {
  name: link.zone
  location: 'global'
  tags: tags
}]

// a name that is not here, for another account of the same kind, is looked up in public
resource zoneLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (link, index) in links: {
  parent: zone[index]
  name: 'network'
  location: 'global'
  properties: { registrationEnabled: false, resolutionPolicy: 'NxDomainRedirect', virtualNetwork: { id: networkId } }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for link in links: {
  name: 'pe-${link.name}-${suffix}'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: link.name, properties: { privateLinkServiceId: link.target, groupIds: [link.group] } }
    ]
  }
}]

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (link, index) in links: {
  parent: endpoint[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      { name: link.name, properties: { privateDnsZoneId: zone[index].id } }
    ]
  }
}]
