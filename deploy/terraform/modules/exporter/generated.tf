# Written by `make generate`; edit exporter/ instead.

locals {
  statements = {
    own_account = [
      {
        "Sid" = "ReadEventHistory"
        "Effect" = "Allow"
        "Action" = ["cloudtrail:LookupEvents"]
        "Resource" = ["*"]
      },
      {
        "Sid" = "WhatStandsInEC2"
        "Effect" = "Allow"
        "Action" = [
          "ec2:DescribeManagedPrefixLists",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSecurityGroupRules",
          "ec2:DescribeSecurityGroupVpcAssociations",
          "ec2:DescribeSecurityGroups",
          "ec2:GetManagedPrefixListEntries",
        ]
        "Resource" = ["*"]
      },
      {
        "Sid" = "WhatStandsBehindLoadBalancers"
        "Effect" = "Allow"
        "Action" = [
          "elasticloadbalancing:DescribeLoadBalancers",
          "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
        ]
        "Resource" = ["*"]
      },
      {
        "Sid" = "WhatStandsInAWSConfig"
        "Effect" = "Allow"
        "Action" = [
          "config:DescribeConfigurationRecorderStatus",
          "config:DescribeConfigurationRecorders",
          "config:SelectResourceConfig",
        ]
        "Resource" = ["*"]
      },
      {
        "Sid" = "WhetherCloudTrailAndAWSConfigRecord"
        "Effect" = "Allow"
        "Action" = ["cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"]
        "Resource" = ["*"]
      },
      {
        "Sid" = "DiscoverRegions"
        "Effect" = "Allow"
        "Action" = ["ec2:DescribeRegions"]
        "Resource" = ["*"]
      },
    ]
    has_events = [
      {
        "Sid" = "ReadTheQueue"
        "Effect" = "Allow"
        "Action" = ["sqs:ReceiveMessage"]
        "Resource" = [var.events_queue_arn]
      },
      {
        "Sid" = "DeleteMessagesWhoseChangesAreStored"
        "Effect" = "Allow"
        "Action" = ["sqs:DeleteMessage"]
        "Resource" = [var.events_queue_arn]
      },
      {
        "Sid" = "KeepMessagesHiddenWhileTheyAreWorkedOn"
        "Effect" = "Allow"
        "Action" = ["sqs:ChangeMessageVisibility"]
        "Resource" = [var.events_queue_arn]
      },
      {
        "Sid" = "DoctorLookAtTheQueueSPolicyAndRedrivePolicy"
        "Effect" = "Allow"
        "Action" = ["sqs:GetQueueAttributes"]
        "Resource" = [var.events_queue_arn]
      },
    ]
    has_trail_queue = [
      {
        "Sid" = "ReadTheQueue2"
        "Effect" = "Allow"
        "Action" = ["sqs:ReceiveMessage"]
        "Resource" = [var.trail_queue_arn]
      },
      {
        "Sid" = "DeleteMessagesWhoseChangesAreStored2"
        "Effect" = "Allow"
        "Action" = ["sqs:DeleteMessage"]
        "Resource" = [var.trail_queue_arn]
      },
      {
        "Sid" = "KeepMessagesHiddenWhileTheyAreWorkedOn2"
        "Effect" = "Allow"
        "Action" = ["sqs:ChangeMessageVisibility"]
        "Resource" = [var.trail_queue_arn]
      },
      {
        "Sid" = "DoctorLookAtTheQueueSPolicyAndRedrivePolicy2"
        "Effect" = "Allow"
        "Action" = ["sqs:GetQueueAttributes"]
        "Resource" = [var.trail_queue_arn]
      },
    ]
    bucket_without_prefix = [
      {
        "Sid" = "ReadLogFilesAndDigests"
        "Effect" = "Allow"
        "Action" = ["s3:GetObject"]
        "Resource" = ["arn:${data.aws_partition.current.partition}:s3:::${var.trail_bucket}/AWSLogs/*", "arn:${data.aws_partition.current.partition}:s3:::${var.trail_bucket}/o-*/AWSLogs/*"]
      },
      {
        "Sid" = "FindLogFilesAndDigests"
        "Effect" = "Allow"
        "Action" = ["s3:ListBucket"]
        "Resource" = ["arn:${data.aws_partition.current.partition}:s3:::${var.trail_bucket}"]
        "Condition" = {
          "StringLike" = {
            "s3:prefix" = ["", "AWSLogs/*", "o-*/AWSLogs/*"]
          }
        }
      },
      {
        "Sid" = "VerifyTheSignaturesOfDigests"
        "Effect" = "Allow"
        "Action" = ["cloudtrail:ListPublicKeys"]
        "Resource" = ["*"]
      },
    ]
    bucket_with_prefix = [
      {
        "Sid" = "ReadLogFilesAndDigests2"
        "Effect" = "Allow"
        "Action" = ["s3:GetObject"]
        "Resource" = ["arn:${data.aws_partition.current.partition}:s3:::${var.trail_bucket}/${var.trail_prefix}/AWSLogs/*"]
      },
      {
        "Sid" = "FindLogFilesAndDigests2"
        "Effect" = "Allow"
        "Action" = ["s3:ListBucket"]
        "Resource" = ["arn:${data.aws_partition.current.partition}:s3:::${var.trail_bucket}"]
        "Condition" = {
          "StringLike" = {
            "s3:prefix" = ["${var.trail_prefix}/AWSLogs/*"]
          }
        }
      },
      {
        "Sid" = "VerifyTheSignaturesOfDigests2"
        "Effect" = "Allow"
        "Action" = ["cloudtrail:ListPublicKeys"]
        "Resource" = ["*"]
      },
    ]
    has_keys = [
      {
        "Sid" = "DecryptWhatIsRead"
        "Effect" = "Allow"
        "Action" = ["kms:Decrypt"]
        "Resource" = var.kms_key_arns
      },
    ]
    has_members = [
      {
        "Sid" = "ListTheAccountsOfTheOrganization"
        "Effect" = "Allow"
        "Action" = ["organizations:ListAccounts"]
        "Resource" = ["*"]
      },
      {
        "Sid" = "AssumeRoles"
        "Effect" = "Allow"
        "Action" = ["sts:AssumeRole"]
        "Resource" = ["arn:${data.aws_partition.current.partition}:iam::*:role/${var.member_role_name}"]
      },
    ]
  }
}
