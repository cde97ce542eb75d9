# Subscribe the deployed functions to their events.
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot/common.ps1"

# the platform lists new functions and their keys some time after a deployment
Invoke-Patiently 10 {
    az deployment group create --subscription $env:AZURE_SUBSCRIPTION_ID `
        --name events --resource-group $env:AZURE_RESOURCE_GROUP `
        --template-file "$PSScriptRoot/../modules/events.bicep" --output none --parameters `
        appName=$env:AZURE_FUNCTION_NAME topicName=$env:TOPIC_NAME hubTopicName=$env:HUB_TOPIC_NAME scanTopicName=$env:SCAN_TOPIC_NAME `
        contentTopicName=$env:CONTENT_TOPIC_NAME identityId=$env:EVENTS_IDENTITY_ID `
        contentAccountId=$env:CONTENT_ACCOUNT_ID
}
