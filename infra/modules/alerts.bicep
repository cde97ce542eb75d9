metadata description = 'Alerts on what an operator must look at, and a workbook.'

@description('Ending of the names.')
param suffix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where alerts are mailed to. Empty: to nobody.')
param mail string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Topics of Event Grid: { name, id, namespace }; namespace is that of their metrics.')
param topics array

@description('Name of the key vault.')
param vaultName string

@description('Name of the Event Hubs namespace.')
param eventHubsName string

@description('Name of the IoT hub.')
param hubName string

var queries = loadJsonContent('../alerts.json')

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(mail)) {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'odu'
    enabled: true
    emailReceivers: [
      { name: 'operators', emailAddress: mail, useCommonAlertSchema: true }
    ]
  }
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: eventHubsName
}

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = {
  name: hubName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

// who used the signing key, and when
resource vaultLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'AuditEvent', enabled: true }
    ]
  }
}

resource streamMetrics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'metrics'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    metrics: [
      { category: 'AllMetrics', enabled: true }
    ]
  }
}

resource hubMetrics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'metrics'
  scope: hub
  properties: {
    workspaceId: workspaceId
    metrics: [
      { category: 'AllMetrics', enabled: true }
    ]
  }
}

resource byLog 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for item in queries: {
  name: 'odu-${item.name}-${suffix}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Open Device Update: ${item.name}'
    description: item.text
    severity: item.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: item.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: item.threshold
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: empty(mail) ? [] : [people.id] }
  }
}]

module topicAlerts 'topic-alerts.bicep' = [for topic in topics: {
  name: 'alerts-${topic.name}'
  params: {
    suffix: suffix
    tags: tags
    topic: topic
    actions: empty(mail) ? [] : [{ actionGroupId: people.id }]
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(workspaceId, 'open-device-update')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Open Device Update'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook.json')
  }
}
