# What the exporter itself may do: a managed policy, and on demand the role that has it. In a log archive account the same makes the role
# that reads queue and bucket there.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  has_role = var.trusted_service != "" || var.trusted_principal_arn != ""
  chosen = {
    own_account           = var.watch_own_account
    has_events            = var.events_queue_arn != ""
    has_trail_queue       = var.trail_queue_arn != ""
    bucket_without_prefix = var.trail_bucket != "" && var.trail_prefix == ""
    bucket_with_prefix    = var.trail_bucket != "" && var.trail_prefix != ""
    has_keys              = length(var.kms_key_arns) > 0
    has_members           = var.member_role_name != ""
  }
  trusts = {
    principal = {
      Sid       = "AwsChangeExporter"
      Effect    = "Allow"
      Principal = { AWS = var.trusted_principal_arn }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
    }
    # EC2 gives no source; an instance has a role of its own account only.
    instance = {
      Sid       = "Service"
      Effect    = "Allow"
      Principal = { Service = var.trusted_service }
      Action    = ["sts:AssumeRole"]
    }
    task = {
      Sid       = "Service"
      Effect    = "Allow"
      Principal = { Service = var.trusted_service }
      Action    = ["sts:AssumeRole"]
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }
    # EKS tags the session with cluster, namespace and pod.
    pod = {
      Sid       = "Service"
      Effect    = "Allow"
      Principal = { Service = var.trusted_service }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }
  }
  trust = {
    principal = var.trusted_principal_arn != ""
    instance  = var.trusted_service == "ec2.amazonaws.com"
    task      = var.trusted_service == "ecs-tasks.amazonaws.com"
    pod       = var.trusted_service == "pods.eks.amazonaws.com"
  }
}

resource "aws_iam_policy" "this" {
  name        = "aws-change-exporter"
  description = "What aws-change-exporter calls and no more"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = flatten([for name, some in local.statements : some if local.chosen[name]])
  })
}

resource "aws_iam_role" "this" {
  count       = local.has_role ? 1 : 0
  name        = "aws-change-exporter-hub"
  description = "What aws-change-exporter runs as"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for name, statement in local.trusts : statement if local.trust[name]]
  })

  lifecycle {
    precondition {
      condition     = var.trusted_principal_arn == "" || (var.trusted_service == "" && var.external_id != "")
      error_message = "trusted_principal_arn needs an external_id, and no trusted_service beside it."
    }
  }
}

resource "aws_iam_role_policy_attachment" "this" {
  count      = local.has_role ? 1 : 0
  role       = aws_iam_role.this[0].name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_iam_instance_profile" "this" {
  count = local.trust.instance ? 1 : 0
  name  = "aws-change-exporter-hub"
  role  = aws_iam_role.this[0].name
}
