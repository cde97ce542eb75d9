# Subscribe the deployed functions to their events.
$ErrorActionPreference = 'Stop'

# the platform lists new functions and their keys some time after a deployment
for ($try = 0; $try -lt 5; $try++) {
    az deployment group create --name events --resource-group $env:AZURE_RESOURCE_GROUP `
        --template-file "$PSScriptRoot/../modules/events.bicep" --output none --parameters `
        appName=$env:AZURE_FUNCTION_NAME topicName=$env:TOPIC_NAME hubTopicName=$env:HUB_TOPIC_NAME scanTopicName=$env:SCAN_TOPIC_NAME `
        contentTopicName=$env:CONTENT_TOPIC_NAME identityId=$env:EVENTS_IDENTITY_ID `
        contentAccountId=$env:CONTENT_ACCOUNT_ID
    if ($LASTEXITCODE -eq 0) { exit 0 }
    Start-Sleep -Seconds 60
}
exit 1
