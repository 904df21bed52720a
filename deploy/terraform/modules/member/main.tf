# The role that the exporter assumes in each watched account. It only reads.

resource "aws_iam_role" "this" {
  name        = var.role_name
  description = "Read by aws-change-exporter"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AwsChangeExporter"
        Effect    = "Allow"
        Principal = { AWS = var.hub_principal_arn }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "aws-change-exporter"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
