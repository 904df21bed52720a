# Written by `make generate`; edit exporter/ instead.

locals {
  watched_calls = {
    "source" = [{
      "prefix" = "aws."
    }]
    "detail-type" = ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"]
    "detail" = {
      "eventSource" = ["ec2.amazonaws.com", "elasticache.amazonaws.com", "rds.amazonaws.com", "redshift.amazonaws.com"]
      "eventName" = [
        "AssociateSecurityGroupVpc",
        "AuthorizeCacheSecurityGroupIngress",
        "AuthorizeClusterSecurityGroupIngress",
        "AuthorizeDBSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "CreateCacheSecurityGroup",
        "CreateClusterSecurityGroup",
        "CreateDBSecurityGroup",
        "CreateManagedPrefixList",
        "CreateSecurityGroup",
        "CreateVpcResourceCreation",
        "DeleteCacheSecurityGroup",
        "DeleteClusterSecurityGroup",
        "DeleteDBSecurityGroup",
        "DeleteManagedPrefixList",
        "DeleteSecurityGroup",
        "DisassociateSecurityGroupVpc",
        "ModifyManagedPrefixList",
        "ModifySecurityGroupRules",
        "RestoreManagedPrefixListVersion",
        "RevokeCacheSecurityGroupIngress",
        "RevokeClusterSecurityGroupIngress",
        "RevokeDBSecurityGroupIngress",
        "RevokeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "UpdateSecurityGroupRuleDescriptionsEgress",
        "UpdateSecurityGroupRuleDescriptionsIngress",
      ]
    }
  }
}
