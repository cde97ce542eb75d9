environment_name       = "odu-dev"
location               = "westeurope"
hub_sku                = "S1"
hub_disable_local_auth = false
storage_sku            = "Standard_LRS"
soft_delete_days       = 7
maximum_instances      = 40
