metadata description = 'The application that callers of the API ask tokens for, with its six roles.'

extension microsoftGraphV1

@description('Name of the deployment.')
param environmentName string

var roles = [
  { id: '03392a4f-67e2-4093-9b38-3feae7b95d81', value: 'DeviceUpdateAdministrator', text: 'Everything: updates, deployments, devices.' }
  { id: '673869f5-1085-43f9-ac0d-0178977a163b', value: 'DeviceUpdateReader', text: 'Reads everything.' }
  { id: 'ba818cbf-4662-4f1f-b05b-75aa8a085b0b', value: 'DeviceUpdateContentAdministrator', text: 'Imports and deletes updates.' }
  { id: '411b26f0-4dcf-435d-b5b6-fabcdc2599ca', value: 'DeviceUpdateContentReader', text: 'Reads updates.' }
  { id: 'f1caeb4f-f366-4339-a784-fc721df1efac', value: 'DeviceUpdateDeploymentsAdministrator', text: 'Deploys updates to groups of devices.' }
  { id: 'bfbb6eee-ba5c-439d-9306-93ac7b53f2d4', value: 'DeviceUpdateDeploymentsReader', text: 'Reads deployments and devices.' }
]

var userScope = 'd27add98-03bc-4726-8721-764752d9ebbb'
var azureCli = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'open-device-update-${environmentName}'
  displayName: 'Open Device Update (${environmentName})'
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: userScope
        value: 'user_impersonation'
        type: 'User'
        adminConsentDisplayName: 'Use Open Device Update'
        adminConsentDescription: 'Use Open Device Update in the name of the user, with the roles of the user.'
        isEnabled: true
      }
    ]
    // so that people can use ./odu after az login
    preAuthorizedApplications: [
      { appId: azureCli, delegatedPermissionIds: [userScope] }
    ]
  }
  appRoles: [for role in roles: {
    id: role.id
    value: role.value
    displayName: role.value
    description: role.text
    allowedMemberTypes: ['User', 'Application']
    isEnabled: true
  }]
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
  appRoleAssignmentRequired: true
}

output clientId string = application.appId
