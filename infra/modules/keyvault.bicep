metadata description = 'The vault with the key that signs update manifests and the secret that seals the URLs of sources.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether it can be reached from the internet.')
param isPublic bool

@description('Identity of the app: it signs with the key and reads the secret.')
param appPrincipalId string

@description('Who makes keys and the secret. Empty: nobody.')
param operatorPrincipalId string

@description('What the operator is.')
param operatorPrincipalType string

var cryptoUser = '12338af0-0e69-4776-bea7-57ae8d297424'
var cryptoOfficer = '14b46e9e-c2b7-41b4-b07b-48a6ebf60603'
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var operatorRoles = empty(operatorPrincipalId) ? [] : [cryptoOfficer, secretsOfficer]

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: isPublic ? 'Enabled' : 'Disabled'
    networkAcls: { defaultAction: isPublic ? 'Allow' : 'Deny', bypass: 'AzureServices' }
  }
}

// The key ceremony adds the versions that sign. Vaults must not rotate by themselves: devices trust
// only keys that a root key vouches for.
resource signingKey 'Microsoft.KeyVault/vaults/keys@2024-11-01' = {
  parent: vault
  name: 'update-signing'
  properties: {
    kty: 'RSA'
    keySize: 3072
    keyOps: ['sign', 'verify']
    attributes: { enabled: true, exportable: false }
    rotationPolicy: {
      attributes: { expiryTime: 'P2Y' }
      lifetimeActions: [
        { trigger: { timeBeforeExpiry: 'P90D' }, action: { type: 'notify' } }
      ]
    }
  }
}

resource sign 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(signingKey.id, appPrincipalId, cryptoUser)
  scope: signingKey
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cryptoUser)
  }
}

resource readSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, secretsUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource operate 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in operatorRoles: {
  name: guid(vault.id, operatorPrincipalId, role)
  scope: vault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
output sourceUrlSecretUri string = '${vault.properties.vaultUri}secrets/source-url-key'
