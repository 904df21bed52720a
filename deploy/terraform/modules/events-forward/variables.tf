variable "bus_arn" {
  type        = string
  description = "Output bus_arn of the module events."
  validation {
    condition     = can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:\\d{12}:event-bus/[\\w./-]+$", var.bus_arn))
    error_message = "Write bus_arn as arn:aws:events:us-east-1:111122223333:event-bus/aws-change-exporter."
  }
}
