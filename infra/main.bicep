metadata description = 'Open Device Update: everything it needs in one resource group, except the event subscriptions, which need the deployed code (modules/events.bicep).'

targetScope = 'subscription'

@minLength(1)
@maxLength(20)
@description('Name of this deployment. It is part of the names of the resource group and of the resources.')
param environmentName string

@description('Region of every resource.')
param location string

@description('Object id of the person or group that holds the key ceremony; gets the data roles that it needs; the word nobody if nobody is to.')
param operatorPrincipalId string

@allowed(['User', 'Group', 'ServicePrincipal'])
@description('What the operator is.')
param operatorPrincipalType string = 'User'

@description('Id of the instance of Device Update, as callers of the API name it.')
param instanceId string = 'main'

@description('Version of Python that runs the app.')
param pythonVersion string = '3.13'

@description('Tier of the IoT hub. Basic tiers have no twins; F1 is free and small.')
@allowed(['F1', 'S1', 'S2', 'S3'])
param hubSku string = 'S1'

@minValue(1)
@description('Units of the IoT hub.')
param hubUnits int = 1

@description('Whether the hub sends twin changes as its own system identity, which a private stream asks for. That identity gets its role in the first deployment, so set it in the second.')
param hubSystemIdentity bool = false

@description('Routes of the hub beside those of the service: name, source, condition, endpointNames.')
param additionalRoutes array = []

@description('Event hubs that such routes lead to: name, endpointUri, entityPath. The identity of the hub needs a role on them first.')
param additionalEndpoints array = []

@description('Further instances of Device Update, each with a hub of its own: id, iotHub, hubName, diagnosticsContainer.')
param additionalInstances array = []

@description('Whether the hub refuses shared access keys of services. Device Provisioning Service links to a hub by such a key: set false to use it.')
param hubDisableLocalAuth bool = true

@minValue(1)
@maxValue(32)
@description('Partitions of the stream of twin changes; cannot be changed later in the Standard tier.')
param twinPartitions int = 4

@minValue(1)
@maxValue(40)
@description('Throughput units of that stream at least. One carries 1,000 twin changes a second.')
param twinThroughputUnits int = 1

@minValue(1)
@maxValue(40)
@description('Throughput units that the stream may grow to by itself; it does not shrink by itself.')
param twinMaximumThroughputUnits int = 4

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
@description('Redundancy of both storage accounts.')
param storageSku string = 'Standard_ZRS'

@minValue(7)
@maxValue(30)
@description('Days that deleted blobs can be brought back.')
param softDeleteDays int = 14

@minValue(40)
@maxValue(1000)
@description('Most instances of the app.')
param maximumInstances int = 100

@allowed([512, 2048, 4096])
@description('Memory of an instance of the app, in MB.')
param instanceMemory int = 2048

@minValue(0)
@description('Instances that are always there for the import pipeline (blob triggers). With 0 the first import after a pause waits for a start.')
param alwaysReadyImports int = 0

@description('Whether the state account, the key vault and the stream of twin changes are reached over a private network only. Content stays public: devices download it by signed links.')
param privateNetwork bool = false

@description('Subnets of the private network beside its two: name, addressPrefix within 10.60.0.0/24.')
param additionalSubnets array = []

@allowed(['leave', 'on', 'off'])
@description('Whether Microsoft Defender scans what is uploaded to quarantine, beside the scanner of the service; billed by the gigabyte. What has been on is turned off by off, leave changes nothing.')
param defenderScan string = 'leave'

@minValue(10)
@description('Most gigabytes that Defender scans a month.')
param defenderGigabytes int = 100

@description('Name of the system topic of the content account, where it has one already: a plan of Defender for the subscription makes one, and there is one at most.')
param contentSystemTopic string = ''

@description('Whether there is a topic on which the service tells the systems of its customers what has happened.')
param customerEvents bool = false

@description('Address that alerts are mailed to. Empty: alerts are raised and mailed to nobody.')
param alertMail string = ''

@maxLength(36)
@description('Client id of the registered application that callers ask tokens for. The word register: this deployment registers it in Microsoft Entra, which needs the right to write applications.')
param applicationClientId string

@description('Optional settings of the app, such as HUB_COMMANDS_PER_SECOND or LIMIT_FILE_BYTES.')
param optionalSettings object = {}

var suffix = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }
var consoleOrigin = 'https://func-${suffix}.azurewebsites.net'
var createApplication = applicationClientId == 'register'
var operatorId = operatorPrincipalId == 'nobody' ? '' : operatorPrincipalId
var audience = createApplication ? application!.outputs.clientId : applicationClientId

var stores = loadJsonContent('stores.json')

var roles = {
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  blobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  blobDelegator: 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
  queueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  queueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  tableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { suffix: suffix, location: location, tags: tags }
}

module application 'modules/application.bicep' = if (createApplication) {
  name: 'application'
  scope: group
  params: { environmentName: environmentName, consoleRedirect: '${consoleOrigin}/console/' }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    networkId: subnets!.outputs.networkId
    subnetId: subnets!.outputs.endpointSubnetId
    stateAccountId: state.outputs.id
    vaultId: keyvault.outputs.id
    eventHubsId: eventhubs.outputs.namespaceId
  }
}

module subnets 'modules/subnets.bicep' = if (privateNetwork) {
  name: 'subnets'
  scope: group
  params: { suffix: suffix, location: location, tags: tags, additionalSubnets: additionalSubnets }
}

module state 'modules/storage.bicep' = {
  name: 'state'
  scope: group
  params: {
    name: 'state${suffix}'
    location: location
    tags: tags
    sku: storageSku
    isPublic: !privateNetwork
    softDeleteDays: softDeleteDays
    containers: stores.state.containers
    queues: stores.state.queues
    tables: stores.state.tables
    accountGrants: [
      { principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataOwner }
      { principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.queueDataContributor }
      { principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.tableDataContributor }
    ]
    queueGrants: empty(operatorId) ? [] : [
      { queue: 'resign', principalId: operatorId, principalType: operatorPrincipalType, roleId: roles.queueDataMessageSender }
    ]
  }
}

module content 'modules/storage.bicep' = {
  name: 'content'
  scope: group
  params: {
    name: 'content${suffix}'
    uploadOrigins: [consoleOrigin]
    location: location
    tags: tags
    sku: storageSku
    isPublic: true
    softDeleteDays: softDeleteDays
    containers: stores.content.containers
    expiry: stores.content.expiry
    immutable: stores.content.immutable
    accountGrants: [
      { principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDelegator }
      { principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.queueDataContributor }
    ]
    containerGrants: concat([
      { container: 'imports', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'quarantine', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'content', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'diagnostics', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'deadletter', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'audit', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'uploads', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'rules', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
      { container: 'manifests', principalId: identity.outputs.appPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataReader }
      { container: 'deadletter', principalId: identity.outputs.eventsPrincipalId, principalType: 'ServicePrincipal', roleId: roles.blobDataContributor }
    ], empty(operatorId) ? [] : [
      { container: 'manifests', principalId: operatorId, principalType: operatorPrincipalType, roleId: roles.blobDataContributor }
      { container: 'rules', principalId: operatorId, principalType: operatorPrincipalType, roleId: roles.blobDataContributor }
      { container: 'imports', principalId: operatorId, principalType: operatorPrincipalType, roleId: roles.blobDataContributor }
    ])
  }
}

module eventhubs 'modules/eventhubs.bicep' = {
  name: 'eventhubs'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    partitions: twinPartitions
    throughputUnits: twinThroughputUnits
    maximumThroughputUnits: twinMaximumThroughputUnits
    isPublic: !privateNetwork
    senderPrincipalId: identity.outputs.hubPrincipalId
    receiverPrincipalId: identity.outputs.appPrincipalId
  }
}

module hub 'modules/hub.bicep' = {
  name: 'hub'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    sku: hubSku
    units: hubUnits
    disableLocalAuth: hubDisableLocalAuth
    identityId: identity.outputs.hubId
    useSystemIdentity: hubSystemIdentity
    additionalRoutes: additionalRoutes
    additionalEndpoints: additionalEndpoints
    eventHubsName: eventhubs.outputs.namespaceName
    eventHubsHost: eventhubs.outputs.host
    twinsEventHub: eventhubs.outputs.twinsName
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module eventgrid 'modules/eventgrid.bicep' = {
  name: 'eventgrid'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityId: identity.outputs.eventsId
    hubId: hub.outputs.id
    contentAccountId: content.outputs.id
    contentTopicName: empty(contentSystemTopic) ? 'evgs-content-${suffix}' : contentSystemTopic
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module customers 'modules/customers.bicep' = if (customerEvents) {
  name: 'customers'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module keyvault 'modules/keyvault.bicep' = {
  name: 'keyvault'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    isPublic: !privateNetwork
    appPrincipalId: identity.outputs.appPrincipalId
    operatorPrincipalId: operatorId
    operatorPrincipalType: operatorPrincipalType
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    mail: alertMail
    workspaceId: monitoring.outputs.workspaceId
    vaultName: keyvault.outputs.name
    topics: concat(eventgrid.outputs.watched, customerEvents ? customers!.outputs.watched : [])
    eventHubsName: eventhubs.outputs.namespaceName
    hubName: hub.outputs.name
  }
}

module defender 'modules/defender.bicep' = if (defenderScan != 'leave') {
  name: 'defender'
  scope: group
  params: {
    accountName: content.outputs.name
    isOn: defenderScan == 'on'
    topicId: eventgrid.outputs.scanTopicId
    gigabytes: defenderGigabytes
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    pythonVersion: pythonVersion
    maximumInstances: maximumInstances
    instanceMemory: instanceMemory
    alwaysReadyImports: alwaysReadyImports
    subnetId: privateNetwork ? subnets!.outputs.appSubnetId : ''
    identityId: identity.outputs.appId
    identityClientId: identity.outputs.appClientId
    stateEndpoints: state.outputs.endpoints
    contentEndpoints: content.outputs.endpoints
    packageContainer: stores.state.containers[0]
    eventHubsHost: eventhubs.outputs.host
    topicEndpoint: eventgrid.outputs.topicEndpoint
    customerTopicEndpoint: customerEvents ? customers!.outputs.endpoint : ''
    vaultUri: keyvault.outputs.uri
    sourceUrlSecretUri: keyvault.outputs.sourceUrlSecretUri
    insightsConnection: monitoring.outputs.connection
    instanceId: instanceId
    additionalInstances: additionalInstances
    hubName: hub.outputs.name
    hubHost: hub.outputs.host
    audience: audience
    optionalSettings: defenderScan == 'on' ? union({ SCAN_ENGINES: 'yara-x,defender' }, optionalSettings) : optionalSettings
  }
}

output AZURE_SUBSCRIPTION_ID string = subscription().subscriptionId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = app.outputs.name
output API_URL string = app.outputs.url
output API_AUDIENCE string = audience
output IOT_HUB_NAME string = hub.outputs.name
output TOPIC_NAME string = eventgrid.outputs.topicName
output CUSTOMER_TOPIC_NAME string = customerEvents ? customers!.outputs.name : ''
output SCAN_TOPIC_NAME string = eventgrid.outputs.scanTopicName
output HUB_TOPIC_NAME string = eventgrid.outputs.hubTopicName
output CONTENT_TOPIC_NAME string = eventgrid.outputs.contentTopicName
output EVENTS_IDENTITY_ID string = identity.outputs.eventsId
output CONTENT_ACCOUNT_ID string = content.outputs.id
output KEY_VAULT_NAME string = keyvault.outputs.name
output SIGNING_VAULT_URL string = keyvault.outputs.uri
output CONTENT_BLOB_URI string = content.outputs.endpoints.blob
output STATE_QUEUE_URI string = state.outputs.endpoints.queue
