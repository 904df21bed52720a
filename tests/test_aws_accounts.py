"""Which accounts and regions are watched, and what cannot be told of them."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.aws import Account, AccountSettings, AwsSettings, Identity, OrganizationSettings
from exporter.aws import operations as op
from exporter.aws.accounts import watched_accounts
from exporter.errors import AwsError
from sandbox.faults import Faults
from sandbox.server import Sandbox, Settings
from tests.aws_session import MEMBER, ROLE, SECOND_ROLE, Heard, Service, failed, opened, reply
from tests.sandbox_client import ACCOUNT, REGION, client

THIRD = "123456789012"
HUB = Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/alice", "aws")
LISTED = AccountSettings(role_arn=ROLE.role_arn, external_id="open-sesame", name="member", via=(SECOND_ROLE,), regions=("eu-west-1",))
ORGANIZATION = OrganizationSettings(role_name="path/watcher", external_id="open-sesame")


@pytest.fixture(autouse=True)
def environment(aws_environment):
    """Return a patcher of the environment."""
    return aws_environment


class Listing:
    """A caller of organizations:ListAccounts; an exception among the pages is raised in its place."""

    partition = "aws"

    def __init__(self, *pages: Any) -> None:
        self._pages = pages

    def pages(self, operation, /, **parameters):
        """Yield the pages."""
        assert (operation, parameters) == (op.LIST_ACCOUNTS, {})
        for page in self._pages:
            if isinstance(page, Exception):
                raise page
            yield {"Accounts": page}


def member(account_id: str, state: str | None = "ACTIVE", status: str | None = None, partition: str = "aws") -> dict[str, Any]:
    """Return an account as Organizations lists it."""
    told = {
        "Id": account_id,
        "Arn": f"arn:{partition}:organizations::{ACCOUNT}:account/o-exampleorgid/{account_id}",
        "Name": f"n {account_id}",
    }
    return told | ({"State": state} if state else {}) | ({"Status": status} if status else {})


def watched(settings: AwsSettings, *pages: Any, identity: Any = lambda: HUB):
    """Return the accounts of settings and of an organization's pages."""
    return watched_accounts(settings, identity, lambda _organization: Listing(*pages))


def unknown() -> Identity:
    """Fail, as a missing credential does."""
    raise AwsError("credentials", "nobody")


def test_without_settings_the_own_account_is_watched():
    """Otherwise a first start watches nothing."""
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url) as aws:
        assert aws.accounts().accounts == (Account(ACCOUNT),)
        assert aws.caller(REGION).account_id == ACCOUNT


def test_the_identity_is_asked_once():
    """Otherwise every round of discovery and every message costs a call."""
    heard = Heard()
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard) as aws:
        assert aws.caller(REGION).account_id == ""
        for _ in range(3):
            aws.accounts()
            assert aws.identity().account_id == ACCOUNT
    assert heard.requests == [("sts:GetCallerIdentity", "", REGION, None)]


def test_listed_accounts_are_reached_by_their_roles():
    """Otherwise name, chain or regions of an entry are lost on the way."""
    (account,) = watched(AwsSettings(accounts=(LISTED,))).accounts
    assert (account.account_id, account.name, account.regions) == (MEMBER, "member", ("eu-west-1",))
    assert [(role.role_arn, role.external_id) for role in account.roles] == [(SECOND_ROLE.role_arn, ""), (ROLE.role_arn, "open-sesame")]


def test_the_own_account_is_added_where_asked():
    """Otherwise the hub's own changes go unseen beside those of its members."""
    accounts = watched(AwsSettings(accounts=(LISTED,), own_account=True)).accounts
    assert [(account.account_id, len(account.roles)) for account in accounts] == [(MEMBER, 2), (ACCOUNT, 0)]


def test_an_organization_is_discovered_over_http():
    """Otherwise pages, roles or the management account come out wrong with the real API."""
    with Sandbox(Settings(deliver=False)) as sandbox:
        organizations = client(sandbox, "organizations")
        organizations.create_organization(FeatureSet="ALL")
        made = {
            organizations.create_account(AccountName=f"team {n}", Email=f"{n}@example.com")["CreateAccountStatus"]["AccountId"]
            for n in range(3)
        }
        with opened(sandbox.url, organization=ORGANIZATION) as aws:
            found = aws.accounts()
            regions = [aws.caller(REGION, account).call(op.GET_CALLER_IDENTITY)["Account"] for account in found.accounts]
    assert found.failures == ()
    assert {account.account_id for account in found.accounts} == {ACCOUNT, *made}
    assert sorted(regions) == sorted({ACCOUNT, *made})
    for account in found.accounts:
        wanted = [] if account.account_id == ACCOUNT else [f"arn:aws:iam::{account.account_id}:role/path/watcher"]
        assert [role.role_arn for role in account.roles] == wanted
        assert all(role.external_id == "open-sesame" for role in account.roles)


def test_only_active_accounts_are_watched():
    """Otherwise a closed account fails for its last 90 days, or one is missed once AWS retires `Status`."""
    page = [
        member(MEMBER),
        member(THIRD, state="SUSPENDED", status="ACTIVE"),
        member("222222222222", state="PENDING_ACTIVATION"),
        member("333333333333", state=None, status="ACTIVE"),
        member("555555555555", state=None, status="SUSPENDED"),
        member("777788889999", state=None),
        member("not an id"),
    ]
    assert [account.account_id for account in watched(AwsSettings(organization=ORGANIZATION), page).accounts] == [MEMBER, "333333333333"]


def test_accounts_can_be_chosen():
    """Otherwise include and exclude do nothing, or a number that is none of the organization's goes unnoticed."""
    settings = AwsSettings(organization=ORGANIZATION.model_copy(update={"include": (MEMBER, THIRD, "999999999999"), "exclude": (THIRD,)}))
    found = watched(settings, [member(ACCOUNT), member(MEMBER), member(THIRD)])
    assert [account.account_id for account in found.accounts] == [MEMBER]
    assert [(account_id, error.reason) for account_id, error in found.failures] == [("999999999999", "not_found")]


def test_a_listed_account_wins_over_the_same_discovered():
    """Otherwise an account is watched twice, and counted once by luck."""
    found = watched(AwsSettings(accounts=(LISTED,), organization=ORGANIZATION), [member(ACCOUNT), member(MEMBER)])
    assert [(account.account_id, account.name) for account in found.accounts] == [(MEMBER, "member"), (ACCOUNT, f"n {ACCOUNT}")]


def test_the_own_account_can_be_left_out():
    """Otherwise own_account: false is not obeyed where the organization names it."""
    found = watched(AwsSettings(organization=ORGANIZATION, own_account=False), [member(ACCOUNT), member(MEMBER)])
    assert [account.account_id for account in found.accounts] == [MEMBER]


def test_a_listing_that_breaks_off_keeps_what_it_told():
    """Otherwise one failed page takes all accounts off the page of metrics."""
    found = watched(AwsSettings(organization=ORGANIZATION), [member(MEMBER)], AwsError("unavailable", "away"))
    assert [account.account_id for account in found.accounts] == [MEMBER]
    assert [(account_id, str(error)) for account_id, error in found.failures] == [("", "away")]


def test_a_failing_organization_hides_no_listed_account():
    """Otherwise a missing permission stops accounts that need none of it."""
    denied = Faults(deny=frozenset({"organizations:ListAccounts"}))
    with (
        Sandbox(Settings(deliver=False, faults=denied)) as sandbox,
        opened(sandbox.url, accounts=(LISTED,), organization=ORGANIZATION) as aws,
    ):
        found = aws.accounts()
    assert [account.account_id for account in found.accounts] == [MEMBER]
    ((_, error),) = found.failures
    assert error.reason == "access_denied"
    assert "organization.via" in str(error)


def test_an_unknown_identity_hides_no_listed_account():
    """Otherwise STS out of reach stops accounts that are listed."""
    found = watched(AwsSettings(accounts=(LISTED,), own_account=True), identity=unknown)
    assert [account.account_id for account in found.accounts] == [MEMBER]
    assert [error.reason for _, error in found.failures] == ["credentials"]


def test_nothing_at_all_is_an_error():
    """Otherwise an exporter without credentials watches nothing and says nothing."""
    with pytest.raises(AwsError, match="nobody"):
        watched(AwsSettings(), identity=unknown)
    with pytest.raises(AwsError, match="away"):
        watched(AwsSettings(organization=ORGANIZATION), AwsError("unavailable", "away"))


def test_no_organization_is_said():
    """Otherwise an account outside of any organization gets a code and no remedy."""
    told = b'{"__type":"AWSOrganizationsNotInUseException","message":"Your account is not a member of an organization."}'
    with Service(lambda handler, _n: reply(handler, 400, told)) as service, opened(service.url, organization=ORGANIZATION) as aws:
        error = failed(aws.accounts)
    assert error.reason == "not_found"
    assert "aws.organization" in str(error)


def test_an_organization_without_accounts_is_said():
    """Otherwise the exporter watches nothing and looks well."""
    assert "organization.include" in str(failed(lambda: watched(AwsSettings(organization=ORGANIZATION), [])))


def test_members_of_another_partition_have_roles_there():
    """Otherwise GovCloud's members are asked for roles that cannot exist."""
    found = watched(AwsSettings(organization=ORGANIZATION), [member(MEMBER, partition="aws-us-gov")])
    assert [(account.partition, account.roles[0].role_arn.split(":")[1]) for account in found.accounts] == [("aws-us-gov", "aws-us-gov")]


def test_names_of_accounts_are_made_safe():
    """Otherwise whoever names an account writes our log."""
    odd = member(MEMBER) | {"Name": "a\nb\u202e" + "x" * 100}
    (account,) = watched(AwsSettings(organization=ORGANIZATION), [odd]).accounts
    assert account.name.isprintable()
    assert len(account.name) < 100


def test_regions_come_from_the_nearest_place():
    """Otherwise the regions of a source or an account are overruled by the common ones."""
    account, own = Account(MEMBER, regions=("eu-west-1",)), Account(ACCOUNT)
    with opened("http://127.0.0.1:1", regions=("us-west-2", "eu-north-1", "us-west-2")) as aws:
        assert aws.regions(account, ("ap-south-1",)) == ("ap-south-1",)
        assert aws.regions(account) == ("eu-west-1",)
        assert aws.regions(own) == ("us-west-2", "eu-north-1")
    with opened("http://127.0.0.1:1") as aws:
        assert aws.regions(own) == (REGION,)


def test_no_region_at_all_is_said(environment):
    """Otherwise a first start ends in a traceback of botocore."""
    environment.delenv("AWS_DEFAULT_REGION")
    with opened("http://127.0.0.1:1") as aws:
        text = str(failed(aws.default_region))
        failed(lambda: aws.regions(Account(ACCOUNT)))
    assert "aws.regions" in text
    assert "AWS_REGION" in text


def test_the_region_of_containers_is_known(environment):
    """Otherwise AWS_REGION, which ECS, EKS and Lambda set, is not heeded."""
    environment.setenv("AWS_REGION", "eu-west-3")
    with opened("http://127.0.0.1:1") as aws:
        assert aws.default_region() == "eu-west-3"


def test_all_regions_are_asked_of_the_account_itself_and_kept():
    """Otherwise an account's own opt-in regions are missed, or every round asks again."""
    heard = Heard()
    account = Account(MEMBER, roles=(ROLE,))
    with Sandbox(Settings(deliver=False)) as sandbox, opened(sandbox.url, heard, regions=("all",)) as aws:
        now = [0.0]
        aws._now = lambda: now[0]
        regions = aws.regions(account)
        assert {"us-east-1", "eu-west-1"} <= set(regions)
        assert aws.regions(account) == regions
        now[0] = 599.0
        aws.regions(account)
        assert heard.counts()["ec2:DescribeRegions"] == 1
        now[0] = 601.0
        aws.regions(account)
    assert [request for request in heard.requests if request[0] == "ec2:DescribeRegions"] == [
        ("ec2:DescribeRegions", MEMBER, REGION, None)
    ] * 2
