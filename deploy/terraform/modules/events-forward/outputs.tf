output "rule_arn" {
  description = "The rule that forwards."
  value       = aws_cloudwatch_event_rule.this.arn
}
