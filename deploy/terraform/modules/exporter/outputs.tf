output "policy_arn" {
  description = "The policy, for a role of yours."
  value       = aws_iam_policy.this.arn
}

output "role_arn" {
  description = "hub_principal_arn of the module member, or the setting role of a source; null without a role."
  value       = local.has_role ? aws_iam_role.this[0].arn : null
}
