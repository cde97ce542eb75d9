# Alerts on what an operator must look at, and a workbook.

locals {
  queries = { for item in jsondecode(file("${path.module}/../alerts.json")) : item.name => item }
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

resource "azurerm_monitor_metric_alert" "dead_letters" {
  name                = "odu-dead-letters-${local.suffix}"
  resource_group_name = azurerm_resource_group.group.name
  description         = "Event Grid gave up on twin changes; they lie in the container deadletter."
  severity            = 1
  enabled             = true
  scopes              = [azapi_resource.topic.id]
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = "Microsoft.EventGrid/topics"
    metric_name      = "DeadLetteredCount"
    operator         = "GreaterThan"
    threshold        = 0
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
