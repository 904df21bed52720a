"""The preset dictionary with which records are compressed: what nearly every CloudTrail record of a change repeats.

A stored block names the dictionary it was made with, and the store keeps its own copy of each, so this text may
be changed only together with a migration that adds the new one. deflate finds near matches cheapest: the
commonest text stands last.
"""

from __future__ import annotations

_SERVICES = (
    b"s3.amazonaws.com rds.amazonaws.com kms.amazonaws.com iam.amazonaws.com sts.amazonaws.com lambda.amazonaws.com "
    b"organizations.amazonaws.com cloudtrail.amazonaws.com config.amazonaws.com guardduty.amazonaws.com autoscaling.amazonaws.com "
    b"elasticloadbalancing.amazonaws.com elasticache.amazonaws.com redshift.amazonaws.com eks.amazonaws.com "
    b"cloudformation.amazonaws.com AWSServiceRoleFor AWS Internal aws-service-role "
    b"eu-central-1 eu-west-2 eu-west-3 eu-north-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-south-1 ca-central-1 sa-east-1 "
    b"us-gov-west-1 cn-north-1 us-east-2 us-west-1 us-west-2 eu-west-1 us-east-1 "
)
_AGENTS = (
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 "
    b"signin.amazonaws.com console.ec2.amazonaws.com console.amazonaws.com aws-sdk-java/2.20 aws-sdk-go/1.44 (go1.21.7; linux; amd64) "
    b"Pulumi/3.0 kubernetes/v1.29 karpenter.sh aws-load-balancer-controller "
    b"Boto3/1.34.50 md/Botocore#1.34.50 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.11 md/pyimpl#CPython cfg/r"
    b"etry-mode#legacy Botocore/1.34.50 "
    b"APN/1.0 HashiCorp/1.0 Terraform/1.7.4 (+https://www.terraform.io) terraform-provider-aws/5.39.1 (+https://regi"
    b"stry.terraform.io/providers/hashicorp/aws) "
    b"aws-sdk-go-v2/1.25.2 os/linux lang/go#1.21.7 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.149.1 "
    b"aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#5.15.0 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython exec-env/CloudShell "
    b"cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#ec2.revoke-security-group-ingress ec2.author"
    b"ize-security-group-ingress "
)
_ERRORS = (
    b'"errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::111122223333:assumed-role/ is not authorized to perform: '
    b"ec2:AuthorizeSecurityGroupIngress on resource: arn:aws:ec2:us-east-1:111122223333:security-group/sg-0 because no identity-based "
    b"policy allows the ec2:RevokeSecurityGroupIngress action with an explicit deny in a service control policy. "
    b'Encoded authorization failure message: ","errorCode":"Client.UnauthorizedOperation","errorMessage":"You are no'
    b"t authorized to perform "
    b'this operation. "errorCode":"Client.DependencyViolation","errorMessage":"resource sg-0 has a dependent object"'
    b'"errorCode":"Client.InvalidGroup.NotFound","errorMessage":"The security group \'sg-0\' does not exist"'
    b'"errorCode":"Client.InvalidPermission.NotFound","errorMessage":"The specified rule does not exist in this security group."'
    b'"errorCode":"Client.InvalidPermission.Duplicate","errorMessage":"the specified rule \\"peer: 0.0.0.0/0, TCP, f'
    b"rom port: 22, to port: 22, "
    b'ALLOW\\" already exists"'
    b'"errorCode":"Client.DryRunOperation","errorMessage":"Request would have succeeded, but DryRun flag is set."'
)
_WRAPPED = (
    b'{"ModifySecurityGroupRulesRequest":{"GroupId":"sg-0","SecurityGroupRule":{"SecurityGroupRuleId":"sgr-0","tag":1,"SecurityGroupRule":'
    b'{"IpProtocol":"tcp","FromPort":443,"ToPort":443,"CidrIpv4":"0.0.0.0/0","CidrIpv6":"::/0","PrefixListId":"pl-0"'
    b',"ReferencedGroupId":"sg-0",'
    b'"Description":""}}}},"responseElements":{"ModifySecurityGroupRulesResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/",'
    b'"requestId":"","return":true}}'
    b'{"UpdateSecurityGroupRuleDescriptionsIngressRequest":{"GroupId":"sg-0","SecurityGroupRuleDescription":{"Description":"",'
    b'"SecurityGroupRuleId":"sgr-0","tag":1}}}'
    b'"serviceEventDetails":{"vpcId":"vpc-0"},"resources":[{"type":"AWS::EC2::SecurityGroup","ARN":"arn:aws:ec2:us-e'
    b'ast-1:111122223333:security-group/sg-0",'
    b'"accountId":"111122223333"}],"eventType":"AwsServiceEvent"'
    b'"requestParameters":{"groupName":"","groupDescription":"","vpcId":"vpc-0","tagSpecificationSet":{"items":[{"re'
    b'sourceType":"security-group",'
    b'"tags":[{"key":"Name","value":""}]}]}},"responseElements":{"requestId":"","_return":true,"groupId":"sg-0","tag'
    b'Set":{"items":[{"key":"Name","value":""}]},'
    b'"securityGroupArn":"arn:aws:ec2:us-east-1:111122223333:security-group/sg-0"}'
    b'"requestParameters":{"groupId":"sg-0","ipPermissions":{},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"0.0.0.0/0"}'
    b'"requestParameters":{"groupId":"sg-0","ipPermissions":{},"securityGroupRuleIds":{"items":[{"securityGroupRuleId":"sgr-0"}]}}'
    b'"responseElements":{"requestId":"","_return":true,"unknownIpPermissionSet":{},"revokedSecurityGroupRuleSet":{"'
    b'items":[{"groupId":"sg-0",'
    b'"securityGroupRuleId":"sgr-0","description":"","isEgress":false,"ipProtocol":"tcp","fromPort":80,"toPort":80,"'
    b'cidrIpv4":"10.0.0.0/8","referencedGroupId":"sg-0"}]}}'
    b'"userIdentity":{"accountId":"111122223333","invokedBy":"ec2.amazonaws.com"},"sharedEventID":""'
    b'"userIdentity":{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":'
    b'"111122223333","accessKeyId":""}'
)
_DETAILS = (
    b'[["name:default"],[["AWS::EC2::Instance","i-0"],["AWS::EC2::NetworkInterface","eni-0"]],[],"",[],null]'
    b'[["sg-0"],[["AWS::EC2::SecurityGroup","sg-0"]],[["modified",[null,"sgr-0","tcp",443,443,"ipv6","::/0",""],null]],null,["web"],null]'
    b'[["sg-0"],[["AWS::EC2::SecurityGroup","sg-0"]],[["removed",["egress","sgr-0","all",null,null,"ipv4","0.0.0.0/0'
    b'",null],null]],null,[],null]'
    b'[["sg-0"],[["AWS::EC2::SecurityGroup","sg-0"]],[["added",["ingress","sgr-0","tcp",22,22,"ipv4","0.0.0.0/0",nul'
    b'l],null]],null,["admin"],null]'
)
_USER = (
    b'{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::111122223333:'
    b'user/alice","accountId":"111122223333",'
    b'"accessKeyId":"AKIA","userName":"alice","sessionContext":{"sessionIssuer":{},"webIdFederationData":{},"attribu'
    b'tes":{"creationDate":"2026-01-31T11:00:00Z",'
    b'"mfaAuthenticated":"true"}}},"eventTime":"2026-01-31T11:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"DeleteSecurityGroup",'
    b'"sourceIPAddress":"203.0.113.7","sourceIPAddress":"cloudformation.amazonaws.com","userAgent":"cloudformation.a'
    b'mazonaws.com","requestParameters":null,'
    b'"responseElements":null,"sessionCredentialFromConsole":"true","eventCategory":"Management","additionalEventDat'
    b'a":{},"apiVersion":"2016-11-15"'
)
_ROLE = (
    b'{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:session","arn":"arn:aws:sts::1'
    b"11122223333:assumed-role/"
    b'AWSReservedSSO_AdministratorAccess_0123456789abcdef/alice@example.com","accountId":"111122223333","accessKeyId'
    b'":"ASIA","sessionContext":'
    b'{"sessionIssuer":{"type":"Role","principalId":"AROA","arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.am'
    b'azonaws.com/AWSReservedSSO_",'
    b'"accountId":"111122223333","userName":"AWSReservedSSO_"},"attributes":{"creationDate":"2026-01-31T11:00:00Z","'
    b'mfaAuthenticated":"false"}},'
    b'"invokedBy":"cloudformation.amazonaws.com"},"eventTime":"2026-01-31T11:00:00Z","eventSource":"ec2.amazonaws.com",'
    b'"eventName":"RevokeSecurityGroupEgress","eventName":"AuthorizeSecurityGroupEgress","eventName":"CreateSecurityGroup",'
    b'"eventName":"RevokeSecurityGroupIngress","eventName":"AuthorizeSecurityGroupIngress","awsRegion":"us-east-1","'
    b'sourceIPAddress":"198.51.100.7",'
    b'"userAgent":"aws-cli/2.15.30","requestParameters":{"groupId":"sg-0","ipPermissions":{"items":[{"ipProtocol":"t'
    b'cp","fromPort":22,"toPort":22,"groups":'
    b'{"items":[{"groupId":"sg-0","userId":"111122223333"}]},"ipRanges":{},"ipv6Ranges":{"items":[{"cidrIpv6":"::/0"'
    b'}]},"prefixListIds":{"items":'
    b'[{"prefixListId":"pl-0"}]}},{"ipProtocol":"tcp","fromPort":443,"toPort":443,"groups":{},"ipRanges":{"items":[{'
    b'"cidrIp":"0.0.0.0/0","description":""}]},'
    b'"ipv6Ranges":{},"prefixListIds":{}}]}},"responseElements":{"requestId":"","_return":true,"securityGroupRuleSet'
    b'":{"items":[{"groupOwnerId":"111122223333",'
    b'"groupId":"sg-0","securityGroupRuleId":"sgr-0","description":"","isEgress":true,"isEgress":false,"ipProtocol":'
    b'"tcp","fromPort":443,"toPort":443,'
    b'"cidrIpv4":"0.0.0.0/0","referencedGroupInfo":{"userId":"111122223333","groupId":"sg-0"},'
    b'"securityGroupRuleArn":"arn:aws:ec2:us-east-1:111122223333:security-group-rule/sgr-0"}]}},"requestID":"","even'
    b'tID":"","readOnly":false,'
    b'"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Managemen'
    b't","tlsDetails":{"tlsVersion":"TLSv1.3",'
    b'"cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"ec2.us-east-1.amazonaws.com"}}'
)

TRAIL = _SERVICES + _AGENTS + _ERRORS + _WRAPPED + _DETAILS + _USER + _ROLE
