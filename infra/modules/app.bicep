metadata description = 'The function app on Flex Consumption, with every setting that the code reads.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Version of Python.')
param pythonVersion string

@description('Most instances.')
param maximumInstances int

@description('Memory of an instance, in MB.')
param instanceMemory int

@description('Instances always ready for blob triggers.')
param alwaysReadyImports int

@description('Subnet that the app sends from. Empty: none.')
param subnetId string

@description('Resource id of the identity of the app.')
param identityId string

@description('Client id of the identity of the app.')
param identityClientId string

@description('Service endpoints of the state account, which is also that of the Functions host.')
param stateEndpoints object

@description('Service endpoints of the content account.')
param contentEndpoints object

@description('Container of the deployed packages, in the state account.')
param packageContainer string

@description('Host name of the Event Hubs namespace.')
param eventHubsHost string

@description('Where the app publishes events.')
param topicEndpoint string

@description('Endpoint of the topic for customers; empty if there is none.')
param customerTopicEndpoint string

@description('URI of the vault with the signing key.')
param vaultUri string

@description('URI of the secret that seals the URLs of sources.')
param sourceUrlSecretUri string

@description('Which Application Insights component takes the telemetry.')
param insightsConnection string

@description('Further instances: { id, iotHub, hubName, diagnosticsContainer }.')
param additionalInstances array

@description('Id of the instance of Device Update.')
param instanceId string

@description('Name of the IoT hub.')
param hubName string

@description('Host name of the IoT hub.')
param hubHost string

@description('Audience of the tokens that the API takes: the client id of the application.')
param audience string

@description('Optional settings.')
param optionalSettings object

var login = environment().authentication.loginEndpoint
var credential = 'managedidentity'

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2', ftpsState: 'Disabled', http20Enabled: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${stateEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: pythonVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyImports == 0 ? [] : [{ name: 'blob', instanceCount: alwaysReadyImports }]
        triggers: { http: { perInstanceConcurrency: 16 } }
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union({ TELEMETRY: 'azure-monitor' }, optionalSettings, {
    AzureWebJobsStorage__blobServiceUri: stateEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: stateEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: stateEndpoints.table
    AzureWebJobsStorage__credential: credential
    AzureWebJobsStorage__clientId: identityClientId
    STATE__queueServiceUri: stateEndpoints.queue
    STATE__tableServiceUri: stateEndpoints.table
    STATE__credential: credential
    STATE__clientId: identityClientId
    CONTENT__blobServiceUri: contentEndpoints.blob
    CONTENT__queueServiceUri: contentEndpoints.queue
    CONTENT__credential: credential
    CONTENT__clientId: identityClientId
    TWINS__fullyQualifiedNamespace: eventHubsHost
    TWINS__credential: credential
    TWINS__clientId: identityClientId
    AZURE_CLIENT_ID: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    EVENTS_TOPIC_ENDPOINT: topicEndpoint
    CUSTOMER_TOPIC_ENDPOINT: customerTopicEndpoint
    INSTANCES: string(concat([{ hubName: hubName, id: instanceId, iotHub: hubHost }], additionalInstances))
    TOKEN_ISSUER: '${login}${tenant().tenantId}/v2.0'
    TOKEN_JWKS_URI: '${login}${tenant().tenantId}/discovery/v2.0/keys'
    TOKEN_AUDIENCE: audience
    TOKEN_TENANT: tenant().tenantId
    SIGNING_VAULT_URL: vaultUri
    SOURCE_URL_KEY: '@Microsoft.KeyVault(SecretUri=${sourceUrlSecretUri})'
    CONSOLE_CLIENT_ID: audience
    PUBLIC_URL: 'https://${app.properties.defaultHostName}'
  })
}

resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [for name in ['scm', 'ftp']: {
  parent: app
  name: name
  properties: { allow: false }
}]

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
