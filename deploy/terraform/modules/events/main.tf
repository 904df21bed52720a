# The fast road: EventBridge puts CloudTrail's records of watched calls into a queue, those of this account and region by a rule here,
# those of other regions and accounts through a bus that the module events-forward sends to.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  # Queues name each other and the rules that send to them, so ARNs are written out.
  queue_arn        = "arn:${local.partition}:sqs:${data.aws_region.current.id}:${local.account}:aws-change-exporter-events"
  dead_letters_arn = "arn:${local.partition}:sqs:${data.aws_region.current.id}:${local.account}:aws-change-exporter-events-dead"
}

resource "aws_kms_key" "this" {
  count               = var.encrypt_with_kms_key ? 1 : 0
  description         = "Queues of aws-change-exporter-events"
  enable_key_rotation = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Senders"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

# What the exporter does not understand, and what EventBridge could not put into the queue for 24 hours.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "aws-change-exporter-events-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.encrypt_with_kms_key ? null : true
  kms_master_key_id         = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
  redrive_allow_policy      = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [local.queue_arn] })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dead_letters_arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = [aws_cloudwatch_event_rule.own.arn, aws_cloudwatch_event_rule.forwarded.arn] }
        }
      },
      {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.dead_letters_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sqs_queue" "queue" {
  name = "aws-change-exporter-events"
  # How long the exporter may be down.
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.encrypt_with_kms_key ? null : true
  kms_master_key_id         = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
  redrive_policy            = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 10 })
}

resource "aws_sqs_queue_policy" "queue" {
  queue_url = aws_sqs_queue.queue.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = {
          ArnEquals = { "aws:SourceArn" = [aws_cloudwatch_event_rule.own.arn, aws_cloudwatch_event_rule.forwarded.arn] }
        }
      },
      {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudwatch_event_bus" "this" {
  name = "aws-change-exporter"
}

# Only the role that the module events-forward makes, in accounts of the organization. Events cannot be made up: PutEvents refuses
# sources that begin with "aws.", and the rule below takes no others.
resource "aws_cloudwatch_event_bus_policy" "this" {
  count          = var.organization_id != "" ? 1 : 0
  event_bus_name = aws_cloudwatch_event_bus.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Organization"
        Effect    = "Allow"
        Principal = "*"
        Action    = "events:PutEvents"
        Resource  = aws_cloudwatch_event_bus.this.arn
        Condition = {
          StringEquals = { "aws:PrincipalOrgID" = var.organization_id }
          ArnLike      = { "aws:PrincipalArn" = "arn:${local.partition}:iam::*:role/aws-change-exporter-forward-*" }
        }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "own" {
  name          = "aws-change-exporter"
  description   = "Changes of this account and region"
  state         = "ENABLED"
  event_pattern = jsonencode(local.watched_calls)
}

resource "aws_cloudwatch_event_target" "own" {
  rule      = aws_cloudwatch_event_rule.own.name
  target_id = "queue"
  arn       = aws_sqs_queue.queue.arn
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_cloudwatch_event_rule" "forwarded" {
  name           = "aws-change-exporter-forwarded"
  description    = "Changes of other regions and accounts"
  event_bus_name = aws_cloudwatch_event_bus.this.name
  state          = "ENABLED"
  event_pattern  = jsonencode(local.watched_calls)
}

resource "aws_cloudwatch_event_target" "forwarded" {
  rule           = aws_cloudwatch_event_rule.forwarded.name
  event_bus_name = aws_cloudwatch_event_bus.this.name
  target_id      = "queue"
  arn            = aws_sqs_queue.queue.arn
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}
