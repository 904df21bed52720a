variable "watch_own_account" {
  type        = bool
  default     = true
  description = "Read Event history and what stands in this account. Choose false where it is read as a member, or not at all."
}

variable "events_queue_arn" {
  type        = string
  default     = ""
  description = "Output queue_arn of the module events, if there is a source of type eventbridge."
  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:sqs:[a-z0-9-]+:\\d{12}:[\\w-]+$", var.events_queue_arn))
    error_message = "Write events_queue_arn as arn:aws:sqs:us-east-1:111122223333:name."
  }
}

variable "trail_queue_arn" {
  type        = string
  default     = ""
  description = "Output queue_arn of the module trail-files, if a source of type s3 has a queue."
  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:sqs:[a-z0-9-]+:\\d{12}:[\\w-]+$", var.trail_queue_arn))
    error_message = "Write trail_queue_arn as arn:aws:sqs:us-east-1:111122223333:name."
  }
}

variable "trail_bucket" {
  type        = string
  default     = ""
  description = "Bucket of the trail, if there is a source of type s3."
  validation {
    condition     = can(regex("^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.trail_bucket))
    error_message = "Give the name of a bucket."
  }
}

variable "trail_prefix" {
  type        = string
  default     = ""
  description = "What stands before AWSLogs/ in the bucket, without the last slash; the setting prefix."
  validation {
    condition     = can(regex("^$|^[^/*?$]$|^[^/*?$][^*?$]*[^/*?$]$", var.trail_prefix))
    error_message = "A prefix neither begins nor ends with a slash, and has none of * ? and $."
  }
}

variable "kms_key_arns" {
  type        = list(string)
  default     = []
  description = "Keys that encrypt queues and bucket, if KMS keys of yours do; the settings kms_keys."
}

variable "member_role_name" {
  type        = string
  default     = ""
  description = "role_name of the module member, if accounts of an organization are watched."
  validation {
    condition     = can(regex("^$|^[\\w+=,.@/-]{1,64}$", var.member_role_name))
    error_message = "Give the name of a role."
  }
}

variable "trusted_service" {
  type        = string
  default     = ""
  description = "Make a role for an instance, an ECS task or EKS Pod Identity. Without it attach the policy to a role of yours (IRSA)."
  validation {
    condition     = contains(["", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"], var.trusted_service)
    error_message = "Choose ec2.amazonaws.com, ecs-tasks.amazonaws.com or pods.eks.amazonaws.com."
  }
}

variable "trusted_principal_arn" {
  type        = string
  default     = ""
  description = "Make a role that this role or user of another account assumes; the setting role of a source."
  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:iam::\\d{12}:(role|user)/.+$", var.trusted_principal_arn))
    error_message = "Write trusted_principal_arn as arn:aws:iam::111122223333:role/aws-change-exporter-hub."
  }
}

variable "external_id" {
  type        = string
  default     = ""
  description = "External id that trusted_principal_arn must give."
  validation {
    condition     = can(regex("^$|^[\\w+=,.@:/-]{8,1224}$", var.external_id))
    error_message = "Give external_id 8 characters or more."
  }
}
