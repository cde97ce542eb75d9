variable "subscription_id" {
  description = "Id of the subscription to deploy into."
  type        = string
}

variable "environment_name" {
  description = "Name of this deployment. It is part of the names of the resource group and of the resources."
  type        = string

  validation {
    condition     = length(var.environment_name) >= 1 && length(var.environment_name) <= 20
    error_message = "From 1 to 20 characters."
  }
}

variable "location" {
  description = "Region of every resource."
  type        = string
}

variable "code_deployed" {
  description = "Whether the code is deployed: only then can its functions be subscribed to their events."
  type        = bool
  default     = false
}

variable "operator_principal_id" {
  description = "Object id of the person or group that holds the key ceremony; gets the data roles that it needs; the word nobody if nobody is to."
  type        = string

  validation {
    condition     = var.operator_principal_id == "nobody" || length(var.operator_principal_id) == 36
    error_message = "An object id, or nobody."
  }
}

variable "operator_principal_type" {
  description = "What the operator is."
  type        = string
  default     = "User"

  validation {
    condition     = contains(["User", "Group", "ServicePrincipal"], var.operator_principal_type)
    error_message = "User, Group or ServicePrincipal."
  }
}

variable "instance_id" {
  description = "Id of the instance of Device Update, as callers of the API name it."
  type        = string
  default     = "main"
}

variable "python_version" {
  description = "Version of Python that runs the app."
  type        = string
  default     = "3.13"
}

variable "hub_sku" {
  description = "Tier of the IoT hub. Basic tiers have no twins; F1 is free and small."
  type        = string
  default     = "S1"

  validation {
    condition     = contains(["F1", "S1", "S2", "S3"], var.hub_sku)
    error_message = "F1, S1, S2 or S3."
  }
}

variable "hub_units" {
  description = "Units of the IoT hub."
  type        = number
  default     = 1

  validation {
    condition     = var.hub_units >= 1
    error_message = "1 or more."
  }
}

variable "hub_system_identity" {
  description = "Whether the hub sends twin changes as its own system identity, which a private stream asks for. That identity gets its role in the first deployment, so set it in the second."
  type        = bool
  default     = false
}

variable "additional_routes" {
  description = "Routes of the hub beside those of the service: name, source, condition, endpointNames."
  type = list(object({
    name          = string
    source        = string
    condition     = string
    endpointNames = list(string)
  }))
  default = []
}

variable "additional_endpoints" {
  description = "Event hubs that such routes lead to: name, endpointUri, entityPath. The identity of the hub needs a role on them first."
  type = list(object({
    name        = string
    endpointUri = string
    entityPath  = string
  }))
  default = []
}

variable "additional_instances" {
  description = "Further instances of Device Update, each with a hub of its own: id, iotHub, hubName, diagnosticsContainer."
  type        = list(map(string))
  default     = []
}

variable "hub_disable_local_auth" {
  description = "Whether the hub refuses shared access keys of services. Device Provisioning Service links to a hub by such a key: set false to use it."
  type        = bool
  default     = true
}

variable "twin_partitions" {
  description = "Partitions of the stream of twin changes; cannot be changed later in the Standard tier."
  type        = number
  default     = 4

  validation {
    condition     = var.twin_partitions >= 1 && var.twin_partitions <= 32
    error_message = "From 1 to 32."
  }
}

variable "twin_throughput_units" {
  description = "Throughput units of that stream at least. One carries 1,000 twin changes a second."
  type        = number
  default     = 1

  validation {
    condition     = var.twin_throughput_units >= 1 && var.twin_throughput_units <= 40
    error_message = "From 1 to 40."
  }
}

variable "twin_maximum_throughput_units" {
  description = "Throughput units that the stream may grow to by itself; it does not shrink by itself."
  type        = number
  default     = 4

  validation {
    condition     = var.twin_maximum_throughput_units >= 1 && var.twin_maximum_throughput_units <= 40
    error_message = "From 1 to 40."
  }
}

variable "storage_sku" {
  description = "Redundancy of both storage accounts."
  type        = string
  default     = "Standard_ZRS"

  validation {
    condition     = contains(["Standard_LRS", "Standard_ZRS", "Standard_GZRS"], var.storage_sku)
    error_message = "Standard_LRS, Standard_ZRS or Standard_GZRS."
  }
}

variable "soft_delete_days" {
  description = "Days that deleted blobs can be brought back."
  type        = number
  default     = 14

  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 30
    error_message = "From 7 to 30."
  }
}

variable "maximum_instances" {
  description = "Most instances of the app."
  type        = number
  default     = 100

  validation {
    condition     = var.maximum_instances >= 40 && var.maximum_instances <= 1000
    error_message = "From 40 to 1000."
  }
}

variable "instance_memory" {
  description = "Memory of an instance of the app, in MB."
  type        = number
  default     = 2048

  validation {
    condition     = contains([512, 2048, 4096], var.instance_memory)
    error_message = "512, 2048 or 4096."
  }
}

variable "always_ready_imports" {
  description = "Instances that are always there for the import pipeline (blob triggers). With 0 the first import after a pause waits for a start."
  type        = number
  default     = 0

  validation {
    condition     = var.always_ready_imports >= 0
    error_message = "0 or more."
  }
}

variable "private_network" {
  description = "Whether the state account, the key vault and the stream of twin changes are reached over a private network only. Content stays public: devices download it by signed links."
  type        = bool
  default     = false
}

variable "additional_subnets" {
  description = "Subnets of the private network beside its two: name, addressPrefix within 10.60.0.0/24."
  type = list(object({
    name          = string
    addressPrefix = string
  }))
  default = []
}

variable "defender_scan" {
  description = "Whether Microsoft Defender scans what is uploaded to quarantine, beside the scanner of the service; billed by the gigabyte. What has been on is turned off by off, leave changes nothing."
  type        = string
  default     = "leave"

  validation {
    condition     = contains(["leave", "on", "off"], var.defender_scan)
    error_message = "leave, on or off."
  }
}

variable "defender_gigabytes" {
  description = "Most gigabytes that Defender scans a month."
  type        = number
  default     = 100

  validation {
    condition     = var.defender_gigabytes >= 10
    error_message = "10 or more."
  }
}

variable "content_system_topic" {
  description = "Name of the system topic of the content account, where it has one already: a plan of Defender for the subscription makes one, and there is one at most."
  type        = string
  default     = ""
}

variable "customer_events" {
  description = "Whether there is a topic on which the service tells the systems of its customers what has happened."
  type        = bool
  default     = false
}

variable "alert_mail" {
  description = "Address that alerts are mailed to. Empty: alerts are raised and mailed to nobody."
  type        = string
  default     = ""
}

variable "application_client_id" {
  description = "Client id of the registered application that callers ask tokens for. The word register: this deployment registers it in Microsoft Entra, which needs the right to write applications."
  type        = string

  validation {
    condition     = var.application_client_id == "register" || length(var.application_client_id) == 36
    error_message = "A client id, or register."
  }
}

variable "optional_settings" {
  description = "Optional settings of the app, such as HUB_COMMANDS_PER_SECOND or LIMIT_FILE_BYTES."
  type        = map(string)
  default     = {}
}
