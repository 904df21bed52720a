# The sure road: a queue that is told of each log file of a trail. In the region of the bucket; in its account too, where EventBridge tells.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  here      = "${data.aws_region.current.id}:${local.account}"
  # These name each other, so ARNs are written out.
  bucket_arn       = "arn:${local.partition}:s3:::${var.trail_bucket}"
  queue_arn        = "arn:${local.partition}:sqs:${local.here}:aws-change-exporter-trail-files"
  dead_letters_arn = "arn:${local.partition}:sqs:${local.here}:aws-change-exporter-trail-files-dead"
  topic_arn        = "arn:${local.partition}:sns:${local.here}:aws-change-exporter-trail-files"
  rule_arn         = "arn:${local.partition}:events:${local.here}:rule/aws-change-exporter-trail-files"
  own_trail_arn    = "arn:${local.partition}:cloudtrail:${local.here}:trail/aws-change-exporter"

  by_topic       = var.notify_by == "s3-sns" || var.notify_by == "cloudtrail-sns"
  by_eventbridge = var.notify_by == "s3-eventbridge"
  bucket_account = var.trail_bucket_account != "" ? var.trail_bucket_account : local.account

  # The ARN of a bucket tells no account, and a name that was given up may be taken by anybody.
  sender = {
    for key, value in {
      "aws:SourceOrgID"   = var.organization_id
      "aws:SourceAccount" = var.organization_id == "" ? local.bucket_account : ""
    } : key => value if value != ""
  }
  senders = {
    for key, values in {
      "aws:SourceOrgID"   = compact([var.organization_id])
      "aws:SourceAccount" = var.organization_id == "" ? distinct([local.account, local.bucket_account]) : []
    } : key => values if length(values) > 0
  }
}

resource "aws_kms_key" "this" {
  count               = var.encrypt_with_kms_key ? 1 : 0
  description         = "Queues of aws-change-exporter-trail-files"
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
        Principal = { Service = ["cloudtrail.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = local.senders }
      },
    ]
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "aws-change-exporter-trail-files-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.encrypt_with_kms_key ? null : true
  kms_master_key_id         = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
  redrive_allow_policy      = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [local.queue_arn] })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in {
      eventbridge = {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dead_letters_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arn } }
      }
      always = {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.dead_letters_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    } : statement if name == "always" || local.by_eventbridge]
  })
}

resource "aws_sqs_queue" "queue" {
  name = "aws-change-exporter-trail-files"
  # How long the exporter may be down without having to list the bucket.
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.encrypt_with_kms_key ? null : true
  kms_master_key_id         = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
  redrive_policy            = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 10 })
}

resource "aws_sqs_queue_policy" "queue" {
  queue_url = aws_sqs_queue.queue.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in {
      s3 = {
        Sid       = "Bucket"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.bucket_arn }, StringEquals = local.sender }
      }
      topic = {
        Sid       = "Topic"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.topic_arn } }
      }
      "s3-eventbridge" = {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arn } }
      }
      always = {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    } : statement if name == "always" || name == var.notify_by || (name == "topic" && local.by_topic)]
  })
}

resource "aws_sns_topic" "this" {
  count             = local.by_topic ? 1 : 0
  name              = "aws-change-exporter-trail-files"
  kms_master_key_id = var.encrypt_with_kms_key ? aws_kms_key.this[0].arn : null
}

resource "aws_sns_topic_subscription" "this" {
  count     = local.by_topic ? 1 : 0
  topic_arn = aws_sns_topic.this[0].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.queue.arn
}

resource "aws_sns_topic_policy" "this" {
  count = local.by_topic ? 1 : 0
  arn   = aws_sns_topic.this[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in {
      "s3-sns" = {
        Sid       = "Bucket"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.bucket_arn }, StringEquals = local.sender }
      }
      "cloudtrail-sns" = {
        Sid       = "Trail"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { ArnEquals = { "aws:SourceArn" = var.create_trail ? local.own_trail_arn : var.trail_arn } }
      }
      always = {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    } : statement if name == "always" || name == var.notify_by]
  })

  lifecycle {
    precondition {
      condition     = var.notify_by != "cloudtrail-sns" || var.create_trail || var.trail_arn != ""
      error_message = "Where CloudTrail tells of the files of a trail that there is, trail_arn must name it."
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  count       = local.by_eventbridge ? 1 : 0
  name        = "aws-change-exporter-trail-files"
  description = "New log files of the trail"
  state       = "ENABLED"
  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.trail_bucket] }
      object = { key = [{ suffix = ".json.gz" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  count     = local.by_eventbridge ? 1 : 0
  rule      = aws_cloudwatch_event_rule.this[0].name
  target_id = "queue"
  arn       = aws_sqs_queue.queue.arn
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}
