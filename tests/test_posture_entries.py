"""What no event explains has an entry in the history that says so, with one id for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.history import describe_event, to_csv, to_json
from exporter.model import Outcome, RuleAction, RuleChange
from exporter.posture.chronicle import GROUP, PREFIX_LIST, Unexplained
from exporter.posture.entries import entry_id, is_entry, unexplained_event
from exporter.store.base import HistoryEvent
from tests.posture_truth import ACCOUNT, GROUP_ID, REGION, event, moment, rule

CHANGE = RuleChange(RuleAction.ADDED, rule("0.0.0.0/0", rule_id="sgr-1"))
GROUP_FOUND = Unexplained(GROUP, GROUP_ID, (CHANGE,), moment(0), moment(300), security_groups=(GROUP_ID,), opened_port_classes=("admin",))
LIST_FOUND = replace(GROUP_FOUND, kind=PREFIX_LIST, id="pl-0123456789abcdef0")


def test_the_id_is_made_of_what_happened():
    ids = {
        entry_id(ACCOUNT, REGION, GROUP, GROUP_ID, moment(300), [CHANGE]),
        entry_id(ACCOUNT, REGION, GROUP, GROUP_ID, moment(300), (CHANGE,)),
    }
    assert len(ids) == 1
    assert entry_id(ACCOUNT, REGION, GROUP, GROUP_ID, moment(301), [CHANGE]) not in ids
    assert entry_id(ACCOUNT, "us-east-1", GROUP, GROUP_ID, moment(300), [CHANGE]) not in ids
    assert all(len(one) == 37 and one.startswith("hash:") for one in ids)


@pytest.mark.parametrize(
    ("found", "resources"), [(GROUP_FOUND, [GROUP_ID]), (LIST_FOUND, [LIST_FOUND.id, GROUP_ID])], ids=["group", "list"]
)
def test_an_entry_is_an_event_of_nobody(found, resources):
    entry = unexplained_event(ACCOUNT, REGION, found)
    assert is_entry(entry)
    assert not is_entry(event("AuthorizeSecurityGroupIngress", 0))
    assert (entry.event_time, entry.outcome, entry.principal.name) == (moment(300), Outcome.SUCCESS, "unknown")
    assert ([r.id for r in entry.resources], entry.security_groups, entry.rule_changes) == (resources, (GROUP_ID,), (CHANGE,))
    assert entry.opened_port_classes == ("admin",)


def test_the_history_says_that_nobody_is_known():
    entry = unexplained_event(ACCOUNT, REGION, GROUP_FOUND)
    assert describe_event(entry) == [
        "! no event explains this change",
        "! opened to the internet: admin",
        "+ ingress tcp 22 from 0.0.0.0/0 (sgr-1)",
    ]
    later = replace(entry, shared_event_id="0f9ff1a2-0000-4000-8000-000000000000")
    assert describe_event(later)[0] == "changed between two readings (explained later by 0f9ff1a2-0000-4000-8000-000000000000)"


def test_rows_of_an_entry_are_as_those_of_any_event():
    item = HistoryEvent(unexplained_event(ACCOUNT, REGION, GROUP_FOUND), datetime(2026, 11, 1, tzinfo=UTC), live=True, sources=("posture",))
    assert '"event_name": "UnexplainedRuleChange"' in "".join(to_json([item]))
    assert "added ingress tcp 22 from 0.0.0.0/0 (sgr-1)" in "".join(to_csv([item]))
