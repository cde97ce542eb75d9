"""What an app on Flex Consumption must not set.

Source: https://learn.microsoft.com/azure/azure-functions/migration/migrate-plan-consumption-to-flex
and https://learn.microsoft.com/azure/azure-functions/functions-app-settings. A plain
AzureWebJobsStorage would win over the settings that name an identity.
"""

from __future__ import annotations

FORBIDDEN_SETTINGS = frozenset(
    {
        "AzureWebJobsStorage",
        "ENABLE_ORYX_BUILD",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTOVERVNET",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_DNS_SERVER",
        "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
        "WEBSITE_MOUNT_ENABLED",
        "WEBSITE_NODE_DEFAULT_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
        "WEBSITE_VNET_ROUTE_ALL",
    }
)
FORBIDDEN_SITE_CONFIG = frozenset({"appSettings", "linuxFxVersion", "pythonVersion"})
