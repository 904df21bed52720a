"""The calls that change VPC security groups and their rules, and the legacy groups of RDS, ElastiCache and Redshift."""

from __future__ import annotations

from types import MappingProxyType

from exporter.catalog.spec import EventSpec, Kind, at, rows

_EC2 = "ec2.amazonaws.com"
_SET = "security_groups"
_LEGACY = "legacy_security_groups"

SECURITY_GROUPS: tuple[EventSpec, ...] = (
    *rows(_SET, _EC2, "AuthorizeSecurityGroupIngress", Kind.AUTHORIZE_INGRESS),
    *rows(_SET, _EC2, "AuthorizeSecurityGroupEgress", Kind.AUTHORIZE_EGRESS),
    *rows(_SET, _EC2, "RevokeSecurityGroupIngress", Kind.REVOKE_INGRESS),
    *rows(_SET, _EC2, "RevokeSecurityGroupEgress", Kind.REVOKE_EGRESS),
    *rows(_SET, _EC2, "CreateSecurityGroup", Kind.CREATE_GROUP),
    *rows(_SET, _EC2, "DeleteSecurityGroup", Kind.DELETE_GROUP),
    *rows(_SET, _EC2, "ModifySecurityGroupRules", Kind.MODIFY_RULES),
    *rows(_SET, _EC2, "UpdateSecurityGroupRuleDescriptionsIngress", Kind.DESCRIBE_INGRESS),
    *rows(_SET, _EC2, "UpdateSecurityGroupRuleDescriptionsEgress", Kind.DESCRIBE_EGRESS),
    *rows(_SET, _EC2, "AssociateSecurityGroupVpc DisassociateSecurityGroupVpc", Kind.VPC_ASSOCIATION, at("AWS::EC2::VPC", "request.vpcId")),
    # The service event by which the default group of a new VPC is born; there is no CreateSecurityGroup for it.
    *rows(_SET, _EC2, "CreateVpcResourceCreation", Kind.VPC_RESOURCES, at("AWS::EC2::VPC", "service.vpcId")),
)

_DB = at("AWS::RDS::DBSecurityGroup", "request.dBSecurityGroupName")
_CACHE = at("AWS::ElastiCache::SecurityGroup", "request.cacheSecurityGroupName")
_CLUSTER = at("AWS::Redshift::ClusterSecurityGroup", "request.clusterSecurityGroupName")

LEGACY_SECURITY_GROUPS: tuple[EventSpec, ...] = (
    *rows(_LEGACY, "rds.amazonaws.com", "CreateDBSecurityGroup DeleteDBSecurityGroup", Kind.GENERIC, _DB),
    *rows(_LEGACY, "rds.amazonaws.com", "AuthorizeDBSecurityGroupIngress", Kind.LEGACY_AUTHORIZE, _DB),
    *rows(_LEGACY, "rds.amazonaws.com", "RevokeDBSecurityGroupIngress", Kind.LEGACY_REVOKE, _DB),
    *rows(_LEGACY, "elasticache.amazonaws.com", "CreateCacheSecurityGroup DeleteCacheSecurityGroup", Kind.GENERIC, _CACHE),
    *rows(_LEGACY, "elasticache.amazonaws.com", "AuthorizeCacheSecurityGroupIngress", Kind.LEGACY_AUTHORIZE, _CACHE),
    *rows(_LEGACY, "elasticache.amazonaws.com", "RevokeCacheSecurityGroupIngress", Kind.LEGACY_REVOKE, _CACHE),
    *rows(_LEGACY, "redshift.amazonaws.com", "CreateClusterSecurityGroup DeleteClusterSecurityGroup", Kind.GENERIC, _CLUSTER),
    *rows(_LEGACY, "redshift.amazonaws.com", "AuthorizeClusterSecurityGroupIngress", Kind.LEGACY_AUTHORIZE, _CLUSTER),
    *rows(_LEGACY, "redshift.amazonaws.com", "RevokeClusterSecurityGroupIngress", Kind.LEGACY_REVOKE, _CLUSTER),
)

EC2_NOT_CHANGES = MappingProxyType(
    {
        "DescribeSecurityGroupReferences": "reads",
        "DescribeSecurityGroupRules": "reads",
        "DescribeSecurityGroupVpcAssociations": "reads",
        "DescribeSecurityGroups": "reads",
        "DescribeStaleSecurityGroups": "reads",
        "GetSecurityGroupsForVpc": "reads",
        "ValidateSecurityGroupQuotasForInterface": "compares with quotas, changes nothing",
    }
)
"""The EC2 operations named *SecurityGroup* that no watch set holds, each with the reason."""
