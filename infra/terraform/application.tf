# The application that callers of the API ask tokens for, with its six roles.

locals {
  application    = jsondecode(file("${path.module}/../application.json"))
  console_origin = "https://func-${local.suffix}.azurewebsites.net"
}

resource "azuread_application" "application" {
  count = local.create_application ? 1 : 0

  display_name     = "Open Device Update (${var.environment_name})"
  sign_in_audience = "AzureADMyOrg"

  api {
    requested_access_token_version = 2

    oauth2_permission_scope {
      id                         = local.application.userScope
      value                      = "user_impersonation"
      type                       = "User"
      admin_consent_display_name = "Use Open Device Update"
      admin_consent_description  = "Use Open Device Update in the name of the user, with the roles of the user."
      enabled                    = true
    }
  }

  single_page_application {
    redirect_uris = ["${local.console_origin}/console/"]
  }

  dynamic "app_role" {
    for_each = local.application.roles

    content {
      id                   = app_role.value.id
      value                = app_role.value.value
      display_name         = app_role.value.value
      description          = app_role.value.text
      allowed_member_types = ["User", "Application"]
      enabled              = true
    }
  }
}

# so that people can use ./odu after az login
resource "azuread_application_pre_authorized" "azure_cli" {
  count = local.create_application ? 1 : 0

  application_id       = azuread_application.application[0].id
  authorized_client_id = local.application.azureCli
  permission_ids       = [local.application.userScope]
}

resource "azuread_service_principal" "application" {
  count = local.create_application ? 1 : 0

  client_id                    = azuread_application.application[0].client_id
  app_role_assignment_required = true
}
