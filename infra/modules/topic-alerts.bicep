metadata description = 'Alerts on what a topic of Event Grid could not deliver.'

@description('Ending of the names.')
param suffix string

@description('Tags.')
param tags object

@description('The topic: { name, id, namespace }.')
param topic object

@description('Whom to tell.')
param actions array

var metrics = loadJsonContent('../topic-alerts.json')

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = [for item in metrics: {
  name: 'odu-${item.name}-${topic.name}-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: item.text
    severity: item.severity
    enabled: true
    scopes: [topic.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: item.name
          metricNamespace: topic.namespace
          metricName: item.metric
          operator: 'GreaterThan'
          threshold: item.threshold
          timeAggregation: 'Total'
        }
      ]
    }
    actions: actions
  }
}]
