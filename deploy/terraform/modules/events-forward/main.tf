# Forwards CloudTrail's records of watched calls to the bus of the module events: once for each other region and account.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region   = data.aws_region.current.id
  account  = data.aws_caller_identity.current.account_id
  rule_arn = "arn:${data.aws_partition.current.partition}:events:${local.region}:${local.account}:rule/aws-change-exporter-forward"
}

# IAM is global: the region in its name lets one account have this module in all of its regions. The module events knows the name.
resource "aws_iam_role" "this" {
  name        = "aws-change-exporter-forward-${local.region}"
  description = "Lets one rule of EventBridge send to the bus of aws-change-exporter."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnEquals    = { "aws:SourceArn" = local.rule_arn }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "forward"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Forward", Effect = "Allow", Action = "events:PutEvents", Resource = var.bus_arn }]
  })
}

resource "aws_cloudwatch_event_rule" "this" {
  name          = "aws-change-exporter-forward"
  description   = "Changes, sent to the bus of aws-change-exporter"
  state         = "ENABLED"
  event_pattern = jsonencode(local.watched_calls)
}

resource "aws_cloudwatch_event_target" "this" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "bus"
  arn       = var.bus_arn
  role_arn  = aws_iam_role.this.arn
}
