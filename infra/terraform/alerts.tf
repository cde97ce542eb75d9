# Alerts on what an operator must look at, and a workbook.

locals {
  queries = { for item in jsondecode(file("${path.module}/../alerts.json")) : item.name => item }
  topics = merge({
    service                          = { id = azapi_resource.topic.id, namespace = "Microsoft.EventGrid/topics" }
    scan                             = { id = azapi_resource.scan_topic.id, namespace = "Microsoft.EventGrid/topics" }
    hub                              = { id = azurerm_eventgrid_system_topic.hub.id, namespace = "Microsoft.EventGrid/systemTopics" }
    content                          = { id = azurerm_eventgrid_system_topic.content.id, namespace = "Microsoft.EventGrid/systemTopics" }
    }, { for name, id in { customers = one(azapi_resource.customers[*].id) } : name => {
      id                             = id, namespace = "Microsoft.EventGrid/topics"
  } if var.customer_events })
  topic_metrics = { for item in jsondecode(file("${path.module}/../topic-alerts.json")) : item.name => item }
  topic_alerts = { for pair in setproduct(keys(local.topic_metrics), keys(local.topics)) : "${pair[0]}-${pair[1]}" => {
    metric = local.topic_metrics[pair[0]], topic = local.topics[pair[1]]
  } }
}

resource "azurerm_monitor_action_group" "people" {
  count = var.alert_mail == "" ? 0 : 1

  name                = "ag-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  short_name          = "odu"
  enabled             = true

  email_receiver {
    name                    = "operators"
    email_address           = var.alert_mail
    use_common_alert_schema = true
  }
}

resource "azurerm_monitor_diagnostic_setting" "stream" {
  name                       = "metrics"
  target_resource_id         = azurerm_eventhub_namespace.twins.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.workspace.id

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_diagnostic_setting" "hub" {
  name                       = "metrics"
  target_resource_id         = azurerm_iothub.hub.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.workspace.id

  enabled_metric {
    category = "AllMetrics"
  }
}

# who used the signing key, and when
resource "azurerm_monitor_diagnostic_setting" "vault" {
  name                       = "audit"
  target_resource_id         = azurerm_key_vault.vault.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.workspace.id

  enabled_log {
    category = "AuditEvent"
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "by_log" {
  for_each = local.queries

  name                    = "odu-${each.key}-${local.suffix}"
  resource_group_name     = azurerm_resource_group.group.name
  location                = var.location
  display_name            = "Open Device Update: ${each.key}"
  description             = each.value.text
  severity                = each.value.severity
  enabled                 = true
  scopes                  = [azurerm_log_analytics_workspace.workspace.id]
  evaluation_frequency    = "PT5M"
  window_duration         = "PT15M"
  skip_query_validation   = true
  auto_mitigation_enabled = true

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = each.value.threshold

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = azurerm_monitor_action_group.people[*].id
  }
}

resource "azurerm_monitor_metric_alert" "topic" {
  for_each = local.topic_alerts

  name                = "odu-${each.key}-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  description         = each.value.metric.text
  severity            = each.value.metric.severity
  enabled             = true
  scopes              = [each.value.topic.id]
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = each.value.topic.namespace
    metric_name      = each.value.metric.metric
    operator         = "GreaterThan"
    threshold        = each.value.metric.threshold
    aggregation      = "Total"
  }

  dynamic "action" {
    for_each = azurerm_monitor_action_group.people

    content {
      action_group_id = action.value.id
    }
  }
}

resource "azurerm_application_insights_workbook" "workbook" {
  name                = uuidv5("oid", "${azurerm_log_analytics_workspace.workspace.id}/open-device-update")
  resource_group_name = azurerm_resource_group.group.name
  location            = var.location
  display_name        = "Open Device Update"
  category            = "workbook"
  source_id           = lower(azurerm_log_analytics_workspace.workspace.id)
  data_json           = file("${path.module}/../workbook.json")
}
