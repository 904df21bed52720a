# A new trail with its bucket, on demand (create_trail).

resource "aws_s3_bucket" "this" {
  count         = var.create_trail ? 1 : 0
  bucket        = var.trail_bucket
  force_destroy = false

  lifecycle {
    precondition {
      condition     = var.trail_bucket_account == ""
      error_message = "A new bucket is of this account; leave trail_bucket_account empty."
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  count  = var.create_trail ? 1 : 0
  bucket = aws_s3_bucket.this[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  count  = var.create_trail ? 1 : 0
  bucket = aws_s3_bucket.this[0].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  count                   = var.create_trail ? 1 : 0
  bucket                  = aws_s3_bucket.this[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  count  = var.create_trail ? 1 : 0
  bucket = aws_s3_bucket.this[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

# All notifications of the bucket, which is why it is made for a new bucket alone. S3 tries queue and topic when it is told of them.
resource "aws_s3_bucket_notification" "this" {
  count       = var.create_trail ? 1 : 0
  bucket      = aws_s3_bucket.this[0].id
  eventbridge = local.by_eventbridge

  dynamic "queue" {
    for_each = var.notify_by == "s3" ? [aws_sqs_queue.queue.arn] : []
    content {
      queue_arn     = queue.value
      events        = ["s3:ObjectCreated:*"]
      filter_suffix = ".json.gz"
    }
  }

  dynamic "topic" {
    for_each = var.notify_by == "s3-sns" ? [local.topic_arn] : []
    content {
      topic_arn     = topic.value
      events        = ["s3:ObjectCreated:*"]
      filter_suffix = ".json.gz"
    }
  }

  depends_on = [aws_sqs_queue_policy.queue, aws_sns_topic_policy.this]
}

resource "aws_s3_bucket_policy" "this" {
  count  = var.create_trail ? 1 : 0
  bucket = aws_s3_bucket.this[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TrailChecks"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:GetBucketAcl"
        Resource  = local.bucket_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.own_trail_arn } }
      },
      {
        Sid       = "TrailWrites"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = [for owner in compact([local.account, var.organization_id]) : "${local.bucket_arn}/AWSLogs/${owner}/*"]
        Condition = {
          StringEquals = { "s3:x-amz-acl" = "bucket-owner-full-control" }
          ArnEquals    = { "aws:SourceArn" = local.own_trail_arn }
        }
      },
      {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudtrail" "this" {
  count                         = var.create_trail ? 1 : 0
  name                          = "aws-change-exporter"
  s3_bucket_name                = aws_s3_bucket.this[0].id
  enable_logging                = true
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  is_organization_trail         = var.organization_id != ""
  sns_topic_name                = var.notify_by == "cloudtrail-sns" ? local.topic_arn : null

  depends_on = [aws_s3_bucket_policy.this, aws_sns_topic_policy.this]
}
