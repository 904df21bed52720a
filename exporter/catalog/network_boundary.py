"""The calls that move the edge of the network: CIS AWS Foundations 4.11 to 4.14, and what the benchmark leaves out."""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, ResourcePath, at, generic

_EC2 = "ec2.amazonaws.com"


def _ec2(names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    return generic("network_boundary", _EC2, names, *resources)


_ACL = at("AWS::EC2::NetworkAcl", "request.networkAclId")
_ROUTE_TABLE = at("AWS::EC2::RouteTable", "request.routeTableId")
_TRANSIT_TABLE = at("AWS::EC2::TransitGatewayRouteTable", "request.transitGatewayRouteTableId")
_GATEWAY = at("AWS::EC2::InternetGateway", "request.internetGatewayId")
_VPC = at("AWS::EC2::VPC", "request.vpcId")
_PEERING = at("AWS::EC2::VPCPeeringConnection", "request.vpcPeeringConnectionId")
_SUBNET = at("AWS::EC2::Subnet", "request.subnetId")
_FLOW_LOG = at("AWS::EC2::FlowLog", "request.flowLogId")

NETWORK_BOUNDARY: tuple[EventSpec, ...] = (
    # CIS 4.11, network ACLs.
    *_ec2("CreateNetworkAcl", at("AWS::EC2::NetworkAcl", "response.networkAcl.networkAclId")),
    *_ec2("CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry ReplaceNetworkAclEntry ReplaceNetworkAclAssociation", _ACL),
    # CIS 4.12, gateways.
    *_ec2("CreateCustomerGateway", at("AWS::EC2::CustomerGateway", "response.customerGateway.customerGatewayId")),
    *_ec2("DeleteCustomerGateway", at("AWS::EC2::CustomerGateway", "request.customerGatewayId")),
    *_ec2("CreateInternetGateway", at("AWS::EC2::InternetGateway", "response.internetGateway.internetGatewayId")),
    *_ec2("AttachInternetGateway DeleteInternetGateway DetachInternetGateway", _GATEWAY),
    # CIS 4.13, route tables; AssociateRouteTable is missing there.
    *_ec2("CreateRouteTable", at("AWS::EC2::RouteTable", "response.routeTable.routeTableId")),
    *_ec2("CreateRoute ReplaceRoute DeleteRoute DeleteRouteTable ReplaceRouteTableAssociation AssociateRouteTable", _ROUTE_TABLE),
    *_ec2("DisassociateRouteTable", at("AWS::EC2::SubnetRouteTableAssociation", "request.associationId")),
    # CIS 4.14, VPCs.
    *_ec2("CreateVpc CreateDefaultVpc", at("AWS::EC2::VPC", "response.vpc.vpcId")),
    *_ec2("DeleteVpc ModifyVpcAttribute AttachClassicLinkVpc DetachClassicLinkVpc DisableVpcClassicLink EnableVpcClassicLink", _VPC),
    *_ec2("CreateVpcPeeringConnection", at("AWS::EC2::VPCPeeringConnection", "response.vpcPeeringConnection.vpcPeeringConnectionId")),
    *_ec2("AcceptVpcPeeringConnection DeleteVpcPeeringConnection RejectVpcPeeringConnection ModifyVpcPeeringConnectionOptions", _PEERING),
    # Beyond CIS.
    *_ec2("DeleteFlowLogs", _FLOW_LOG),
    *_ec2("ModifyVpcBlockPublicAccessOptions"),
    *_ec2("CreateVpcBlockPublicAccessExclusion", _VPC, _SUBNET),
    *_ec2(
        "DeleteVpcBlockPublicAccessExclusion ModifyVpcBlockPublicAccessExclusion",
        at("AWS::EC2::VPCBlockPublicAccessExclusion", "request.exclusionId"),
    ),
    *_ec2("CreateEgressOnlyInternetGateway", _VPC),
    *_ec2("DeleteEgressOnlyInternetGateway", at("AWS::EC2::EgressOnlyInternetGateway", "request.egressOnlyInternetGatewayId")),
    *_ec2("CreateNatGateway", at("AWS::EC2::NatGateway", "response.natGateway.natGatewayId")),
    *_ec2("DeleteNatGateway", at("AWS::EC2::NatGateway", "request.natGatewayId")),
    *_ec2("AttachVpnGateway DetachVpnGateway", at("AWS::EC2::VPNGateway", "request.vpnGatewayId")),
    *_ec2(
        "CreateTransitGatewayRoute DeleteTransitGatewayRoute ReplaceTransitGatewayRoute DeleteTransitGatewayRouteTable "
        "AssociateTransitGatewayRouteTable DisassociateTransitGatewayRouteTable "
        "EnableTransitGatewayRouteTablePropagation DisableTransitGatewayRouteTablePropagation",
        _TRANSIT_TABLE,
    ),
    *_ec2("CreateTransitGatewayRouteTable", at("AWS::EC2::TransitGateway", "request.transitGatewayId")),
    *_ec2(
        "AssociateAddress",
        at("AWS::EC2::EIP", "request.allocationId"),
        at("AWS::EC2::Instance", "request.instanceId"),
        at("AWS::EC2::NetworkInterface", "request.networkInterfaceId"),
    ),
    *_ec2("DisassociateAddress", at("AWS::EC2::EIPAssociation", "request.associationId")),
    *generic("network_boundary", "wafv2.amazonaws.com", "DeleteWebACL", at("AWS::WAFv2::WebACL", "request.name")),
    *generic("network_boundary", "wafv2.amazonaws.com", "DeleteRuleGroup", at("AWS::WAFv2::RuleGroup", "request.name")),
    *generic("network_boundary", "waf.amazonaws.com", "DeleteWebACL", at("AWS::WAF::WebACL", "request.webACLId")),
    *generic("network_boundary", "waf.amazonaws.com", "DeleteRule", at("AWS::WAF::Rule", "request.ruleId")),
    *generic("network_boundary", "waf.amazonaws.com", "DeleteRuleGroup", at("AWS::WAF::RuleGroup", "request.ruleGroupId")),
    *generic("network_boundary", "waf-regional.amazonaws.com", "DeleteWebACL", at("AWS::WAFRegional::WebACL", "request.webACLId")),
    *generic("network_boundary", "waf-regional.amazonaws.com", "DeleteRule", at("AWS::WAFRegional::Rule", "request.ruleId")),
    *generic("network_boundary", "waf-regional.amazonaws.com", "DeleteRuleGroup", at("AWS::WAFRegional::RuleGroup", "request.ruleGroupId")),
    *generic(
        "network_boundary", "route53.amazonaws.com", "AssociateVPCWithHostedZone", at("AWS::Route53::HostedZone", "request.hostedZoneId")
    ),
)
