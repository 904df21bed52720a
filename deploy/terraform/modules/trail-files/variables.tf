variable "trail_bucket" {
  type        = string
  description = "Bucket of the trail."
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.trail_bucket))
    error_message = "Give the name of a bucket."
  }
}

variable "notify_by" {
  type        = string
  default     = "s3"
  description = "Who tells of files: s3 itself; S3 (s3-sns) or CloudTrail (cloudtrail-sns) through an SNS topic, to which others may subscribe too; or S3 through EventBridge (s3-eventbridge), for a bucket whose notification is taken."
  validation {
    condition     = contains(["s3", "s3-sns", "cloudtrail-sns", "s3-eventbridge"], var.notify_by)
    error_message = "Choose s3, s3-sns, cloudtrail-sns or s3-eventbridge."
  }
}

variable "trail_bucket_account" {
  type        = string
  default     = ""
  description = "Account of the bucket, if it is another than this one."
  validation {
    condition     = can(regex("^$|^\\d{12}$", var.trail_bucket_account))
    error_message = "An account has twelve digits."
  }
}

variable "organization_id" {
  type        = string
  default     = ""
  description = "Organization, as o-exampleorgid. Senders are then held to it instead of to one account, and a new trail is one of the organization (management account or delegated administrator only)."
  validation {
    condition     = can(regex("^$|^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Write organization_id as o-exampleorgid."
  }
}

variable "trail_arn" {
  type        = string
  default     = ""
  description = "The trail that there is, where CloudTrail tells (cloudtrail-sns)."
  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:cloudtrail:[a-z0-9-]+:\\d{12}:trail/[\\w.-]+$", var.trail_arn))
    error_message = "Write trail_arn as arn:aws:cloudtrail:us-east-1:111122223333:trail/name."
  }
}

variable "create_trail" {
  type        = bool
  default     = false
  description = "Make the bucket and a trail of all regions with signed digests. A bucket that has files is not destroyed."
}

variable "encrypt_with_kms_key" {
  type        = bool
  default     = false
  description = "Encrypt queues and topic with a KMS key of their own. By default queues are encrypted with keys that SQS owns."
}
