# Written by `make generate`; edit exporter/ instead.

locals {
  statements = [
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
}
