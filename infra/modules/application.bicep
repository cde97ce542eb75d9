metadata description = 'The application that callers of the API ask tokens for, with its six roles.'

extension microsoftGraphV1

@description('Name of the deployment.')
param environmentName string

@description('Where people are sent back to once they have signed in to the console.')
param consoleRedirect string

var facts = loadJsonContent('../application.json')

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'open-device-update-${environmentName}'
  displayName: 'Open Device Update (${environmentName})'
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: facts.userScope
        value: 'user_impersonation'
        type: 'User'
        adminConsentDisplayName: 'Use Open Device Update'
        adminConsentDescription: 'Use Open Device Update in the name of the user, with the roles of the user.'
        isEnabled: true
      }
    ]
    // so that people can use ./odu after az login
    preAuthorizedApplications: [
      { appId: facts.azureCli, delegatedPermissionIds: [facts.userScope] }
    ]
  }
  spa: { redirectUris: [consoleRedirect] }
  appRoles: [for role in facts.roles: {
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
