# What the hooks, the key ceremony and ./odu ask for, under the names that main.bicep gives it.

output "azure_subscription_id" {
  description = "Id of the subscription."
  value       = data.azurerm_client_config.current.subscription_id
}

output "azure_resource_group" {
  description = "Resource group."
  value       = azurerm_resource_group.group.name
}

output "azure_function_name" {
  description = "Name of the function app."
  value       = azapi_resource.app.name
}

output "api_url" {
  description = "Where the API is."
  value       = "https://${azapi_resource.app.output.properties.defaultHostName}"
}

output "api_audience" {
  description = "Client id of the application that tokens are asked for."
  value       = local.audience
}

output "iot_hub_name" {
  description = "Name of the IoT hub."
  value       = azurerm_iothub.hub.name
}

output "customer_topic_name" {
  description = "Name of the topic for customers; empty if there is none."
  value       = var.customer_events ? azapi_resource.customers[0].name : ""
}

output "key_vault_name" {
  description = "Name of the key vault."
  value       = azurerm_key_vault.vault.name
}

output "signing_vault_url" {
  description = "URI of the key vault."
  value       = azurerm_key_vault.vault.vault_uri
}

output "content_blob_uri" {
  description = "Blob endpoint of the content account."
  value       = local.content.primary_blob_endpoint
}

output "state_queue_uri" {
  description = "Queue endpoint of the state account."
  value       = local.state.primary_queue_endpoint
}
