#!/bin/sh
# Subscribe the deployed functions to their events.
set -eu
. "$(dirname "$0")/common.sh"

# the platform lists new functions and their keys some time after a deployment
patiently 10 az deployment group create --subscription "$AZURE_SUBSCRIPTION_ID" \
  --name events --resource-group "$AZURE_RESOURCE_GROUP" \
  --template-file "$(dirname "$0")/../modules/events.bicep" --output none --parameters \
  appName="$AZURE_FUNCTION_NAME" topicName="$TOPIC_NAME" hubTopicName="$HUB_TOPIC_NAME" \
  scanTopicName="$SCAN_TOPIC_NAME" contentTopicName="$CONTENT_TOPIC_NAME" identityId="$EVENTS_IDENTITY_ID" \
  contentAccountId="$CONTENT_ACCOUNT_ID"
