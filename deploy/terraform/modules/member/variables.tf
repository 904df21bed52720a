variable "hub_principal_arn" {
  type        = string
  description = "ARN of the role or user that the exporter runs as, for example output role_arn of the module exporter."
  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::\\d{12}:(role|user)/.+$", var.hub_principal_arn))
    error_message = "Write hub_principal_arn as arn:aws:iam::111122223333:role/aws-change-exporter-hub."
  }
}

variable "external_id" {
  type        = string
  description = "The setting external_id of aws.organization, or of each of aws.accounts."
  validation {
    condition     = can(regex("^[\\w+=,.@:/-]{8,1224}$", var.external_id))
    error_message = "Give external_id 8 characters or more."
  }
}

variable "role_name" {
  type        = string
  default     = "aws-change-exporter"
  description = "The setting role_name of aws.organization."
  validation {
    condition     = can(regex("^[\\w+=,.@-]{1,64}$", var.role_name))
    error_message = "The name of a role has 1 to 64 letters, digits or +=,.@_-."
  }
}
