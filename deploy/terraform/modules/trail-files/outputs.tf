output "queue_url" {
  description = "The setting queue_url of a source of type s3."
  value       = aws_sqs_queue.queue.id
}

output "queue_arn" {
  description = "trail_queue_arn of the module exporter, and what the bucket's notification names (notify_by s3)."
  value       = aws_sqs_queue.queue.arn
}

output "dead_letter_queue_arn" {
  description = "Queue of what was not understood."
  value       = aws_sqs_queue.dead_letters.arn
}

output "topic_arn" {
  description = "What the notification of the bucket (s3-sns) or the trail (cloudtrail-sns) names; null without a topic."
  value       = local.by_topic ? aws_sns_topic.this[0].arn : null
}

output "key_arn" {
  description = "The key of the queues, for kms_keys of the source and kms_key_arns of the module exporter; null without one."
  value       = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
}
