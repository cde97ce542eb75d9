metadata description = 'The network of a private deployment: a subnet that the app sends from and one for private endpoints.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('More subnets: { name, addressPrefix }.')
param additionalSubnets array

var furtherSubnets = [for item in additionalSubnets: { name: item.name, properties: { addressPrefix: item.addressPrefix } }]

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.60.0.0/24'] }
    subnets: concat([
      {
        name: 'app'
        properties: {
          addressPrefix: '10.60.0.0/26'
          delegations: [
            { name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      { name: 'endpoints', properties: { addressPrefix: '10.60.0.64/26' } }
    ], furtherSubnets)
  }
}

output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
output networkId string = network.id
