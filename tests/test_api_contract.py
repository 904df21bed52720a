"""Every answer is what the description promises: no member more, none less, whatever is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from exporter.errors import SOURCE_REASONS
from exporter.history.open_rows import OPEN_COLUMNS
from exporter.model import PeerType
from exporter.posture.standing import Attachment, Group, PrefixList
from exporter.report import PollReport
from exporter.web.api import ENDPOINTS
from exporter.web.api.openapi import description
from exporter.web.api.schemas import SCHEMAS
from tests.api_app import Api
from tests.config_history import Recorded, group_item, tcp
from tests.store_events import ACCOUNT, REGION, event_id, made_up
from tests.test_surveyor import DB, EVERYONE, LIST, WEB, added, rule, web

DOCUMENT = description(ENDPOINTS)
"""What `/api/v1/openapi.json` answers."""


def closed(schema: Any) -> Any:
    """Return a schema whose objects may have no other members than those that it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in schema and "type" in schema else made


def check(name: str, value: Any) -> None:
    """Raise where a value is not what a schema says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": closed(dict(SCHEMAS))}}
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An API over all that can be known: events of every kind, groups that stand, are open, are gone; polls that went well and badly."""
    items = [group_item(number, tcp(443, EVERYONE), *[tcp(22, EVERYONE)] * (number > 2), tags={"n": str(number)}) for number in (1, 2, 3)]
    made = Api(recorded=Recorded([{**one, "resourceId": WEB} for one in items]))
    world = made.world
    made.store(*made_up(1, 200))
    world.event("CreateSecurityGroup", security_groups=(GONE,))
    opened = rule(22, EVERYONE, "sgr-0000000000000000a", description="for a moment")
    listed = replace(rule(3306, LIST, "sgr-0000000000000000b"), peer_type=PeerType.PREFIX_LIST)
    unknown = replace(listed, peer="pl-0fedcba9876543210", rule_id="sgr-0000000000000000c")
    lists = (PrefixList(LIST, "all", 1, ((EVERYONE, ""),), ACCOUNT),)
    groups = (web(rule(443)), Group(DB, "db", "vpc-1", (listed, unknown), (("team", "blue"),)), Group(GONE, "gone", "vpc-1"))
    world.survey(*groups, prefix_lists=lists)
    world.event("AuthorizeSecurityGroupIngress", added(opened))
    world.survey(web(rule(443), opened), groups[1], prefix_lists=lists, attachments={WEB: Attachment(2, public_ipv4=True)})
    for reason in (None, "throttled"):
        report = PollReport("s3" if reason else "cloudtrail", "" if reason else ACCOUNT, "" if reason else REGION, world.now, 0.25)
        if reason:
            report.fail(reason, "/etc/secret could not be read")
        made.polls[report.source, report.account_id, report.region] = report
    yield made
    world.store.close()


GONE = "sg-0000000000000dead"
ASKED = (
    ("EventPage", "/api/v1/events?limit=1000"),
    ("EventPage", "/api/v1/events?limit=1"),
    ("Event", f"/api/v1/events/{event_id(1_000_000)}"),
    ("Record", f"/api/v1/events/{event_id(1_000_000)}/record"),
    ("Group", f"/api/v1/groups/{ACCOUNT}/{REGION}/{WEB}"),
    ("Group", f"/api/v1/groups/{ACCOUNT}/{REGION}/{DB}"),
    ("Group", f"/api/v1/groups/{ACCOUNT}/{REGION}/{GONE}"),
    ("ConfigItems", f"/api/v1/groups/{ACCOUNT}/{REGION}/{WEB}/config-items"),
    ("ConfigItems", f"/api/v1/groups/{ACCOUNT}/{REGION}/{DB}/config-items"),
    ("OpenList", "/api/v1/open"),
    ("OpenList", "/api/v1/open?limit=1&exposure=public"),
    ("Principal", "/api/v1/principals?principal=role/Deploy"),
    ("SourceList", "/api/v1/sources"),
    ("Overview", "/api/v1/overview"),
    ("OpenApi", "/api/v1/openapi.json"),
    ("Problem", "/api/v1/events?limit=0"),
    ("Problem", "/api/v1/groups/x/y/z"),
    ("Problem", f"/api/v1/groups/{ACCOUNT}/{REGION}/sg-000000000000000ff/config-items"),
)


@pytest.mark.parametrize(("name", "url"), ASKED)
def test_an_answer_is_what_its_schema_says(api: Api, name: str, url: str) -> None:
    """A member that is sometimes left out breaks the program that read it the day it matters."""
    answer = api.ask(url)
    assert answer.status == (200 if name != "Problem" else 400 if "limit" in url else 404)
    check(name, answer.json)


def test_every_endpoint_is_asked_above() -> None:
    """One that is added without a case would be described by hope alone."""
    asked = {url.partition("?")[0] for name, url in ASKED if name != "Problem"}
    patterns = {endpoint.path: re.compile(re.sub(r"\{\w+\}", "[^/]+", endpoint.path)) for endpoint in ENDPOINTS}
    assert [path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, asked))] == []
    assert {name for name, _ in ASKED} >= {endpoint.answers for endpoint in ENDPOINTS}


def test_the_answers_above_hold_what_may_be_null(api: Api) -> None:
    """A schema that was only held against nulls says nothing of the rest."""
    answers = [api.ask(url).json for _, url in ASKED]
    events, group, gone, items, opened = answers[0]["events"], answers[4], answers[6], answers[7]["items"], answers[9]
    assert {event["outcome"] for event in events} >= {"success", "denied", "noop"}
    assert (group["interfaces"], group["exposure"]["ipv4"], group["open"][0]["by"]) == (2, "public", "role/Deploy")
    assert [len(item["rule_changes"]) for item in items] == [1, 0, 0]
    assert all(item["remarks"] for item in items)
    assert (gone["deleted"], gone["security_group_name"]) != (None, None)
    assert len(opened["open"]) == opened["total"] == 2
    assert opened["units"][0]["read_at"]["groups"] is not None
    assert {source["reason"] for source in answers[12]["sources"]} == {None, "throttled"}
    assert "secret" not in json.dumps(answers)


def test_the_description_is_valid_and_refers_to_what_is_there() -> None:
    """Generators of clients stop at the first reference that leads nowhere."""
    text = json.dumps(DOCUMENT)
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert referred == set(SCHEMAS)
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    for path, operations in DOCUMENT["paths"].items():
        parameters = operations["get"]["parameters"]
        assert {parameter["name"] for parameter in parameters if parameter["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))


def test_parameters_are_examples_of_themselves() -> None:
    """An example that is refused is the first thing that somebody tries."""
    for endpoint in ENDPOINTS:
        for parameter in endpoint.parameters:
            if parameter.example is not None and not parameter.in_path:
                parameter.read(parameter.example)


def test_a_row_of_what_is_open_has_the_columns_of_the_command() -> None:
    """`open --format json` and the API are read by the same scripts."""
    assert tuple(SCHEMAS["OpenRule"]["properties"]) == OPEN_COLUMNS
    assert set(SOURCE_REASONS) < set(SCHEMAS["Source"]["properties"]["reason"]["enum"])
