"""All the calls that are no change of a security group, in the mix of a busy account, with the traps that a careless filter falls into.

Traps: reads of security groups, launches and interfaces that carry group ids, look-alike events of other
services, and records that hold the name of a change inside a request (a policy's text, an event lookup).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from exporter.demo.calls import Call, Ids
from exporter.demo.groups import Group
from exporter.model import Outcome, Unit

_HEX = "0123456789abcdef"
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DOCUMENTS = (
    "reports/2026/summary.parquet",
    "raw/events/part-00017.snappy.parquet",
    "images/größe.png",
    'exports/"latest".csv',
    "logs/app.log.gz",
)
_FAILURES = (
    ("AccessDenied", "User is not authorized to perform this operation because no identity-based policy allows it", Outcome.DENIED),
    ("ThrottlingException", "Rate exceeded", Outcome.FAILED),
    ("ValidationException", "1 validation error detected: Value at 'maxResults' failed to satisfy constraint", Outcome.FAILED),
)

Maker = Callable[["Noise"], Call]


class Noise:
    """Makes the other calls of one account and region."""

    def __init__(self, unit: Unit, ids: Ids, chance: random.Random, group: Callable[[], Group]) -> None:
        self.unit, self.ids, self.chance, self._group = unit, ids, chance, group

    def call(self) -> Call:
        """Return the next call, at random; a few of them fail."""
        (maker,) = self.chance.choices(_MAKERS, cum_weights=_CUMULATIVE)
        call = maker(self)
        if self.chance.random() < 0.03:
            code, message, outcome = self.chance.choice(_FAILURES)
            return Call(call.event_source, call.event_name, call.request, None, call.read_only, code, message, outcome)
        return call

    def group(self) -> str:
        """Return the id of one of the groups that exist."""
        return self._group().id

    def arn(self, service: str, rest: str) -> str:
        """Return an ARN of this account and region."""
        return f"arn:aws:{service}:{self.unit.region}:{self.unit.account_id}:{rest}"

    def instance(self) -> str:
        """Return one of some hundred instance ids."""
        return f"i-0123456789abc{self.chance.randrange(400):04x}"


def _describe(name: str, **request: Any) -> Maker:
    def make(noise: Noise) -> Call:
        token = {"nextToken": noise.ids.letters(noise.chance.randrange(40, 220), _BASE64)} if noise.chance.random() < 0.3 else {}
        return Call("ec2.amazonaws.com", name, {**request, **token}, None, read_only=True)

    return make


def _describe_instances(noise: Noise) -> Call:
    items = [{"instanceId": noise.instance()} for _ in range(noise.chance.randint(1, 8))]
    return Call("ec2.amazonaws.com", "DescribeInstances", {"instancesSet": {"items": items}, "filterSet": {}}, read_only=True)


def _describe_groups(noise: Noise) -> Call:
    name = noise.chance.choice(("DescribeSecurityGroups", "DescribeSecurityGroupRules"))
    if name == "DescribeSecurityGroups":
        request: dict[str, Any] = {"securityGroupSet": {}, "securityGroupIdSet": {"items": [{"groupId": noise.group()}]}, "filterSet": {}}
    else:
        request = {f"{name}Request": {"Filter": {"Name": "group-id", "Value": {"tag": 1, "content": noise.group()}, "tag": 1}}}
    return Call("ec2.amazonaws.com", name, request, read_only=True)


def _assume_role(noise: Noise) -> Call:
    role = noise.chance.choice(("Worker", "Deploy", "Terraform", "LoadBalancerController", "Backup"))
    session = f"{role.lower()}-{noise.ids.letters(12, _HEX)}"
    request = {"roleArn": f"arn:aws:iam::{noise.unit.account_id}:role/{role}", "roleSessionName": session, "durationSeconds": 3600}
    response = {
        "credentials": {
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionToken": noise.ids.letters(noise.chance.randrange(300, 700), _BASE64),
            "expiration": "Jan 31, 2026, 1:00:00 PM",
        },
        "assumedRoleUser": {
            "assumedRoleId": f"AROAEXAMPLEEXAMPLE:{session}",
            "arn": f"arn:aws:sts::{noise.unit.account_id}:assumed-role/{role}/{session}",
        },
    }
    resources = [{"accountId": noise.unit.account_id, "type": "AWS::IAM::Role", "ARN": request["roleArn"]}]
    return Call("sts.amazonaws.com", "AssumeRole", request, response, read_only=True, extra={"resources": resources})


def _identity(_noise: Noise) -> Call:
    return Call("sts.amazonaws.com", "GetCallerIdentity", read_only=True)


def _kms(noise: Noise) -> Call:
    name = noise.chance.choice(("Decrypt", "Decrypt", "GenerateDataKey"))
    key = noise.arn("kms", f"key/{noise.ids.uuid()}")
    request: dict[str, Any] = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"} if name == "Decrypt" else {"keyId": key, "keySpec": "AES_256"}
    request["encryptionContext"] = {"aws:s3:arn": f"arn:aws:s3:::example-data/{noise.chance.choice(_DOCUMENTS)}"}
    resources = [{"accountId": noise.unit.account_id, "type": "AWS::KMS::Key", "ARN": key}]
    return Call("kms.amazonaws.com", name, request, None, read_only=True, extra={"resources": resources})


def _object(noise: Noise) -> Call:
    name = noise.chance.choice(("GetObject", "GetObject", "HeadObject", "PutObject"))
    key = noise.chance.choice(_DOCUMENTS)
    host = f"example-data.s3.{noise.unit.region}.amazonaws.com"
    extra = {
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "bytesTransferredOut": noise.chance.randrange(10**7),
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": noise.ids.letters(76, _BASE64),
        },
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::example-data/{key}"},
            {"accountId": noise.unit.account_id, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::example-data"},
        ],
        "managementEvent": False,
        "eventCategory": "Data",
    }
    return Call("s3.amazonaws.com", name, {"bucketName": "example-data", "Host": host, "key": key}, None, name != "PutObject", extra=extra)


def _secret(noise: Noise) -> Call:
    name = noise.chance.choice(("database", "api-key", "signing"))
    return Call(
        "secretsmanager.amazonaws.com", "GetSecretValue", {"secretId": noise.arn("secretsmanager", f"secret:{name}-AbCdEf")}, None, True
    )


def _parameters(noise: Noise) -> Call:
    names = [f"/example/{noise.chance.choice(('web', 'api'))}/{number}" for number in range(noise.chance.randint(1, 10))]
    return Call("ssm.amazonaws.com", "GetParameters", {"names": names, "withDecryption": True}, None, True)


def _log_stream(noise: Noise) -> Call:
    request = {"logGroupName": "/aws/lambda/example", "logStreamName": f"2026/01/31/[$LATEST]{noise.ids.letters(32, _HEX)}"}
    return Call("logs.amazonaws.com", "CreateLogStream", request)


def _instance_item(noise: Noise) -> dict[str, Any]:
    groups = {"items": [{"groupId": noise.group(), "groupName": "web"}]}
    address = f"10.0.{noise.chance.randrange(256)}.{noise.chance.randrange(256)}"
    interface = {
        "networkInterfaceId": noise.ids.resource("eni"),
        "subnetId": "subnet-0123456789abcdef0",
        "vpcId": "vpc-0123456789abcdef0",
        "ownerId": noise.unit.account_id,
        "status": "in-use",
        "macAddress": "02:00:00:00:00:01",
        "privateIpAddress": address,
        "groupSet": groups,
        "attachment": {
            "attachmentId": "eni-attach-0123456789abcdef0",
            "deviceIndex": 0,
            "status": "attaching",
            "deleteOnTermination": True,
        },
    }
    return {
        "instanceId": noise.instance(),
        "imageId": "ami-0123456789abcdef0",
        "instanceState": {"code": 0, "name": "pending"},
        "privateDnsName": f"ip-{address.replace('.', '-')}.ec2.internal",
        "instanceType": "m6i.large",
        "launchTime": 1769860800000,
        "placement": {"availabilityZone": f"{noise.unit.region}a", "tenancy": "default"},
        "subnetId": "subnet-0123456789abcdef0",
        "privateIpAddress": address,
        "groupSet": groups,
        "networkInterfaceSet": {"items": [interface]},
    }


def _run_instances(noise: Noise) -> Call:
    request = {
        "instancesSet": {"items": [{"imageId": "ami-0123456789abcdef0", "minCount": 1, "maxCount": 1}]},
        "groupSet": {"items": [{"groupId": noise.group()}]},
        "instanceType": "m6i.large",
        "subnetId": "subnet-0123456789abcdef0",
        "userData": "<sensitiveDataRemoved>",
        "monitoring": {"enabled": False},
    }
    items = [_instance_item(noise) for _ in range(noise.chance.choice((1, 1, 1, 2)))]
    response = {"requestId": noise.ids.uuid(), "reservationId": "r-0123456789abcdef0", "instancesSet": {"items": items}}
    return Call("ec2.amazonaws.com", "RunInstances", request, response)


def _create_interface(noise: Noise) -> Call:
    groups = {"items": [{"groupId": noise.group()}]}
    interface = {
        "networkInterfaceId": noise.ids.resource("eni"),
        "subnetId": "subnet-0123456789abcdef0",
        "status": "pending",
        "groupSet": groups,
    }
    request = {"subnetId": "subnet-0123456789abcdef0", "description": "ELB app/web/0123456789abcdef", "groupSet": groups}
    return Call("ec2.amazonaws.com", "CreateNetworkInterface", request, {"requestId": noise.ids.uuid(), "networkInterface": interface})


def _modify_database(noise: Noise) -> Call:
    request = {"dBInstanceIdentifier": "example", "applyImmediately": True, "vpcSecurityGroupIds": [noise.group()]}
    response = {
        "dBInstanceIdentifier": "example",
        "dBInstanceStatus": "available",
        "engine": "postgres",
        "vpcSecurityGroups": [{"vpcSecurityGroupId": noise.group(), "status": "active"}],
    }
    return Call("rds.amazonaws.com", "ModifyDBInstance", request, response)


def _policy(noise: Noise) -> Call:
    actions = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", "ec2:CreateSecurityGroup"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}, indent=2)
    request = {"roleName": f"Role{noise.chance.randrange(50)}", "policyName": "network", "policyDocument": document}
    return Call("iam.amazonaws.com", "PutRolePolicy", request)


def _lookup(_noise: Noise) -> Call:
    request = {"lookupAttributes": [{"attributeKey": "EventName", "attributeValue": "AuthorizeSecurityGroupIngress"}], "maxResults": 50}
    return Call("cloudtrail.amazonaws.com", "LookupEvents", request, None, True)


def _look_alike(_noise: Noise) -> Call:
    return Call("medialive.amazonaws.com", "ListInputSecurityGroups", {"maxResults": 20}, None, True)


_TABLE: tuple[tuple[Maker, int], ...] = (
    (_describe_instances, 90),
    (_describe("DescribeVolumes", volumeSet={}, filterSet={}), 50),
    (_describe("DescribeNetworkInterfaces", networkInterfaceIdSet={}, filterSet={}), 50),
    (_describe("DescribeSubnets", subnetSet={}, filterSet={}), 30),
    (_describe("DescribeVpcs", vpcSet={}, filterSet={}), 20),
    (_describe("DescribeTags", filterSet={"items": [{"name": "resource-type", "valueSet": {"items": [{"value": "instance"}]}}]}), 30),
    (_describe_groups, 22),
    (_assume_role, 200),
    (_identity, 60),
    (_kms, 130),
    (_object, 160),
    (_secret, 40),
    (_parameters, 50),
    (_log_stream, 60),
    (_run_instances, 28),
    (_create_interface, 12),
    (_modify_database, 4),
    (_policy, 4),
    (_lookup, 4),
    (_look_alike, 2),
)
_MAKERS = tuple(maker for maker, _ in _TABLE)
_CUMULATIVE = tuple(sum(weight for _, weight in _TABLE[: index + 1]) for index in range(len(_TABLE)))
