variable "organization_id" {
  type        = string
  default     = ""
  description = "Organization whose accounts may forward to the bus, as o-exampleorgid. Empty, only this account may, from any region."
  validation {
    condition     = can(regex("^$|^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Write organization_id as o-exampleorgid."
  }
}

variable "encrypt_with_kms_key" {
  type        = bool
  default     = false
  description = "Encrypt the queues with a KMS key of their own. By default they are encrypted with keys that SQS owns, at no charge."
}
