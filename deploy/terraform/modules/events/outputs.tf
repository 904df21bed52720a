output "queue_url" {
  description = "The setting queue_url of a source of type eventbridge."
  value       = aws_sqs_queue.queue.id
}

output "queue_arn" {
  description = "events_queue_arn of the module exporter."
  value       = aws_sqs_queue.queue.arn
}

output "dead_letter_queue_arn" {
  description = "Queue of what was not understood or not delivered."
  value       = aws_sqs_queue.dead_letters.arn
}

output "bus_arn" {
  description = "bus_arn of the module events-forward."
  value       = aws_cloudwatch_event_bus.this.arn
}

output "key_arn" {
  description = "The key of the queues, for kms_keys of the source and kms_key_arns of the module exporter; null without one."
  value       = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
}
