"""The calls that change who may do what: IAM (CIS AWS Foundations 4.4) and Organizations (CIS 4.15).

Several names are the same in both (CreatePolicy, DeletePolicy), so the event source always counts.
"""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, ResourcePath, at, generic


def _iam(names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    return generic("iam", "iam.amazonaws.com", names, *resources)


def _organizations(names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    return generic("organizations", "organizations.amazonaws.com", names, *resources)


_USER = at("AWS::IAM::User", "request.userName")
_ROLE = at("AWS::IAM::Role", "request.roleName")
_GROUP = at("AWS::IAM::Group", "request.groupName")
_POLICY = at("AWS::IAM::ManagedPolicy", "request.policyArn")

IAM: tuple[EventSpec, ...] = (
    *_iam("PutUserPolicy DeleteUserPolicy", _USER),
    *_iam("PutRolePolicy DeleteRolePolicy", _ROLE),
    *_iam("PutGroupPolicy DeleteGroupPolicy", _GROUP),
    *_iam("CreatePolicy", at("AWS::IAM::ManagedPolicy", "response.policy.arn")),
    *_iam("DeletePolicy CreatePolicyVersion DeletePolicyVersion", _POLICY),
    *_iam("AttachUserPolicy DetachUserPolicy", _USER, _POLICY),
    *_iam("AttachRolePolicy DetachRolePolicy", _ROLE, _POLICY),
    *_iam("AttachGroupPolicy DetachGroupPolicy", _GROUP, _POLICY),
    # Beyond CIS: each widens rights as well as a policy does.
    *_iam("SetDefaultPolicyVersion", _POLICY),
    *_iam("UpdateAssumeRolePolicy PutRolePermissionsBoundary DeleteRolePermissionsBoundary", _ROLE),
    *_iam("PutUserPermissionsBoundary DeleteUserPermissionsBoundary", _USER),
)

_ORG_POLICY = at("AWS::Organizations::Policy", "request.policyId")
_ACCOUNT = at("AWS::Organizations::Account", "request.accountId")
_UNIT = at("AWS::Organizations::OrganizationalUnit", "request.organizationalUnitId")
_HANDSHAKE = at("AWS::Organizations::Handshake", "request.handshakeId")

ORGANIZATIONS: tuple[EventSpec, ...] = (
    *_organizations("AcceptHandshake DeclineHandshake CancelHandshake", _HANDSHAKE),
    *_organizations("InviteAccountToOrganization", at("AWS::Organizations::Account", "request.target.id")),
    *_organizations("CreateAccount", at("AWS::Organizations::Account", "response.createAccountStatus.accountId")),
    *_organizations("MoveAccount RemoveAccountFromOrganization", _ACCOUNT),
    *_organizations("CreatePolicy", at("AWS::Organizations::Policy", "response.policy.policySummary.id")),
    *_organizations("AttachPolicy DetachPolicy UpdatePolicy DeletePolicy", _ORG_POLICY),
    *_organizations("EnablePolicyType DisablePolicyType", at("AWS::Organizations::Root", "request.rootId")),
    *_organizations("CreateOrganizationalUnit", at("AWS::Organizations::OrganizationalUnit", "response.organizationalUnit.id")),
    *_organizations("UpdateOrganizationalUnit DeleteOrganizationalUnit", _UNIT),
    *_organizations("CreateOrganization", at("AWS::Organizations::Organization", "response.organization.id")),
    *_organizations("DeleteOrganization LeaveOrganization EnableAllFeatures"),
)
