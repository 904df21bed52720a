"""AWS Config's items on the page of a group and in the API: the exporter on the sandbox, asked over HTTP from both sides."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from exporter.config import validate
from exporter.iam import principals
from exporter.logs import make_logger
from exporter.service import Service
from exporter.web import WebServer, all_routes, make_app
from sandbox.faults import Faults
from sandbox.identities import parse_identity
from sandbox.policies import Policies
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.sandbox_client import ACCOUNT, KEY, REGION, client
from tests.test_api_contract import check
from tests.test_history_config_sandbox import World

pytestmark = pytest.mark.usefixtures("aws_environment")

ACTION = "config:GetResourceConfigHistory"
MEMBER, MEMBER_KEY = "444455556666", "AKIAMEMBEREXAMPLE000"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    without_turns(monkeypatch)


class Site(World):
    """A sandbox in which AWS Config records, and the exporter that serves pages about it."""

    def __init__(self, sandbox: Any, folder: Path) -> None:
        super().__init__(sandbox, folder)
        self.log = io.StringIO()
        self.service: Service | None = None
        self.address = ""

    def settings(self, **sections: Any) -> dict[str, Any]:
        """Return the configuration, which reads Event history and what stands."""
        return {"store": {"path": str(self._folder / "state.db")}, "aws": {"endpoint_url": self.sandbox.url}, **sections}

    def get(self, path: str, **parameters: Any) -> tuple[int, str, dict[str, str]]:
        """Return status, body and headers of an answer."""
        try:
            with urlopen(f"http://{self.address}/{path}{'?' if parameters else ''}{urlencode(parameters)}") as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def page(self, group: str, **more: Any) -> str:
        """Return the page of a group."""
        status, body, _ = self.get("group", account_id=ACCOUNT, region=REGION, security_group_id=group, **more)
        assert status == 200, body
        return body

    def api(self, group: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Return what the API answers."""
        status, body, headers = self.get(f"api/v1/groups/{ACCOUNT}/{REGION}/{group}/config-items")
        return status, json.loads(body), headers

    def asked_in_all(self) -> int:
        """Return how often AWS was asked for anything."""
        return sum(row["count"] for row in self.sandbox.actions.rows())


@contextmanager
def serving(site: Site, **sections: Any) -> Iterator[Site]:
    """Poll once, then serve."""
    service = Service(validate(site.settings(**sections), "test"), None, make_logger("info", "json", site.log))
    site.service = service
    service.poll_once()
    server = WebServer("127.0.0.1:0", make_app(service, all_routes(service)), lambda _message: None)
    server.start()
    site.address = server.address
    try:
        yield site
    finally:
        server.stop()
        service.stop()


@contextmanager
def site_of(tmp_path: Path, **settings: Any) -> Iterator[Site]:
    """Serve a sandbox whose AWS Config shows at once what it has."""
    with stepping_sandbox(Stepping(), config_delay=timedelta(0), **settings) as sandbox:
        yield Site(sandbox, tmp_path)


def said(body: str) -> str:
    """Return what a page says."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body[body.index("<main") :])).split())


def cards(body: str) -> list[str]:
    """Return what each item of a page says, newest first."""
    return [said("<main" + card) for card in re.findall(r'<li class="change[^>]*>(.*?)</article>', body, re.DOTALL)]


def test_items_are_drawn_with_who_made_them_and_lead_to_the_event(tmp_path: Path) -> None:
    """The page said which command to type; at night, on a phone, nobody types it."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        rule = site.open(group, 22)
        site.ec2.create_tags(Resources=[group], Tags=[{"Key": "team", "Value": "blue"}])
        changed = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}
        site.ec2.modify_security_group_rules(
            GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}]
        )
        site.sandbox.control.unrecorded = True
        site.open(group, 443)
        with serving(site):
            before = site.asked(ACTION)
            body = site.page(group)
            assert site.get("metrics")[0] == 200
            assert site.asked(ACTION) == before, "neither a look at the group nor a scrape asks"
            (link,) = set(re.findall(r'href="(group\?[^"#]*config=1)#changes"', body))
            status, shown, _ = site.get(html.unescape(link))
            assert (status, site.asked(ACTION)) == (200, before + 1)
            newest, edited, tagged, opened, found = cards(shown)
            assert "Nobody known ConfigurationItem" in newest
            assert "+ ingress tcp 443 from 192.0.2.0/24" in newest
            assert "user/alice" in edited
            assert "Opened to the internet: admin" in edited
            assert "- ingress tcp 22 from 192.0.2.0/24" in edited
            assert "+ ingress tcp 22 from 0.0.0.0/0" in edited
            assert "Changes no rule" in tagged
            assert "+ tag team = blue" in tagged
            assert "+ ingress tcp 22 from 192.0.2.0/24" in opened
            assert "ResourceDiscovered" in found
            assert shown.count('class="removed"') == 1
            assert 'aria-current="page">AWS Config</a>' in shown
            for name in ("ModifySecurityGroupRules", "AuthorizeSecurityGroupIngress"):
                event = next(item for item in site.history(group, places=("store",)) if item["event_name"] == name)
                assert f'href="event?event_id={event["event_id"]}"' in shown
                assert site.get("event", event_id=event["event_id"])[0] == 200
            # Once more within the minute, and from the API: nothing more is asked.
            assert cards(site.get(html.unescape(link))[1]) == [newest, edited, tagged, opened, found]
            status, answer, _ = site.api(group)
            check("ConfigItems", answer)
            assert (status, site.asked(ACTION)) == (200, before + 1)
            assert (answer["more"], answer["known"], answer["daily"], answer["problems"]) == (False, True, False, [])
        rows = [{**row, "recorded_at": None} for row in site.history(group)]
        items = [{**row, "recorded_at": None} for row in answer["items"]]
        # The command also asks Event history, which knows the call that no watch set names: who tagged it.
        assert [items[2]["principal"]["type"], items[2]["rule_changes"]] == ["unknown", rows[2]["rule_changes"]]
        del items[2], rows[2]
        assert items == rows


@pytest.mark.parametrize(
    ("settings", "recorded", "status", "remedy"),
    [
        ({"faults": Faults(deny=frozenset({ACTION}))}, True, 502, "iam-policy --history aws-config"),
        ({"faults": Faults(config_throttle=1.0)}, True, 502, "AWS throttles config:GetResourceConfigHistory there"),
        ({}, False, 502, "AWS Config does not record there: it has no recorder"),
    ],
    ids=["denied", "throttled", "no recorder"],
)
def test_what_goes_wrong_is_said_with_what_to_do(
    tmp_path: Path, settings: dict[str, Any], recorded: bool, status: int, remedy: str
) -> None:
    """An empty list would read as "AWS Config recorded nothing", and AWS's own words name keys and endpoints."""
    with site_of(tmp_path, **settings) as site:
        if recorded:
            site.record()
        group = site.group()
        with serving(site):
            body = site.page(group, config=1)
            found, answer, _ = site.api(group)
            assert found == status
            check("Problem", answer)
            for text in (said(body), answer["detail"]):
                assert remedy in text
                assert f"{ACCOUNT} {REGION}" in text
            assert f"aws-change-exporter history {group} --from aws-config" in said(body)
            assert "Changes" in said(body), "the rest of the page is there"
            for secret in (KEY, site.sandbox.url, str(tmp_path)):
                assert secret not in body
                assert secret not in json.dumps(answer)
        log = [json.loads(line) for line in site.log.getvalue().splitlines()]
        assert sum(line["event"] == "AWS Config could not be asked for a page" for line in log) == 1


def test_without_credentials_the_page_says_so_and_where_to_look(tmp_path: Path, aws_environment: pytest.MonkeyPatch) -> None:
    """Credentials end while the exporter runs; its pages go on, and must say why this one part does not."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        with serving(site):
            pass
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            aws_environment.delenv(f"AWS_{name}")
        with serving(site):
            body = site.page(group, config=1)
            assert "The exporter has no credentials there that are good." in said(body)
            assert str(tmp_path) not in body
            assert site.api(group)[0] == 502


def test_where_nothing_is_read_from_aws_nothing_is_offered_and_nothing_asked(tmp_path: Path) -> None:
    """Who reads trail files without credentials must not have the exporter look for some."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        with serving(site):
            pass
        before = site.asked_in_all()
        files = tmp_path / "trail"
        files.mkdir()
        with serving(site, sources=[{"type": "files", "path": str(files)}], posture={"enabled": False}):
            body = site.page(group)
            assert "config=1" not in body
            assert f"aws-change-exporter history {group} --from aws-config" in said(body)
            assert "This exporter asks nothing of AWS" in said(site.page(group, config=1))
            status, answer, _ = site.api(group)
            assert (status, "asks nothing of AWS" in answer["detail"]) == (404, True)
        assert site.asked_in_all() == before


def test_the_api_asks_for_no_group_that_is_not_known_here(tmp_path: Path) -> None:
    """Who may read the store could otherwise have the exporter ask AWS about whatever comes to mind, wherever."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        with serving(site):
            before = site.asked_in_all()
            for path in (f"{ACCOUNT}/{REGION}/sg-0123456789abcdef0", f"{ACCOUNT}/eu-west-1/{group}", f"444455556666/{REGION}/{group}"):
                assert site.get(f"api/v1/groups/{path}/config-items")[0] == 404
            assert site.asked_in_all() == before


def test_the_policy_that_the_page_names_is_what_it_needs(tmp_path: Path) -> None:
    """A remedy that does not help is worse than none."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        site.open(group, 22)
        (hub,) = principals(validate(site.settings(), "x"), history=("aws-config",))
        with serving(site):
            site.sandbox.application._gate._policies = Policies({f"arn:aws:iam::{ACCOUNT}:user/alice": hub.policy()})
            status, answer, _ = site.api(group)
            assert (status, [item["principal"]["name"] for item in answer["items"]]) == (200, ["user/alice"] * 2)


def test_a_member_account_is_asked_by_its_role(tmp_path: Path) -> None:
    """The hub's own credentials see nothing of the accounts that it watches, and would be asked about a group that is not theirs."""
    with site_of(tmp_path, identities={MEMBER_KEY: parse_identity("role/Deploy/ci", MEMBER)}) as site:
        site.ec2, site.config = (client(site.sandbox, service, key=MEMBER_KEY) for service in ("ec2", "config"))
        site.record()
        group = site.group()
        site.open(group, 22)
        role = f"arn:aws:iam::{MEMBER}:role/aws-change-exporter"
        with serving(site, aws={"endpoint_url": site.sandbox.url, "accounts": [{"role_arn": role}]}):
            status, body, _ = site.get(f"api/v1/groups/{MEMBER}/{REGION}/{group}/config-items")
            assert status == 200, body
            assert [item["principal"]["name"] for item in json.loads(body)["items"]] == ["role/Deploy"] * 2
        (asker,) = {row["identity"] for row in site.sandbox.actions.rows() if row["action"] == ACTION}
        assert asker == role


def test_daily_recording_and_a_group_that_is_not_known_are_said(tmp_path: Path) -> None:
    """A day's item is not one change; and "nothing" has reasons."""
    with site_of(tmp_path) as site:
        site.record(recordingMode={"recordingFrequency": "DAILY"})
        group = site.group()
        site.open(group, 22)
        with serving(site):
            assert "AWS Config knows nothing of this group." in said(site.page(group, config=1))
        site.sandbox.config.end_day()
        with serving(site):
            body = site.page(group, config=1)
            assert "It looks once a day there" in said(body)
            assert site.api(group)[1]["daily"] is True


def test_command_and_api_tell_the_same_of_a_deleted_group(tmp_path: Path) -> None:
    """Who deleted it, and which rules it had, is what AWS Config is asked for most."""
    with site_of(tmp_path) as site:
        site.record()
        group = site.group()
        site.open(group, 22)
        site.ec2.delete_security_group(GroupId=group)
        with serving(site):
            body = site.page(group, config=1)
            assert "- ingress tcp 22 from 192.0.2.0/24" in cards(body)[0]
            assert "ResourceDeleted" in cards(body)[0]
