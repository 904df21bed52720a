"""What the harness reads off the pages of replicas, on pages whose faults are known."""

from __future__ import annotations

from collections import Counter

from tests.fleet.outcome import Outcome
from tests.fleet.pages import LAST_POLL, Polls, counters, differing, polled

UNIT = ("cloudtrail", "111122223333", "us-east-1")
_LABELS = 'source="cloudtrail",account_id="111122223333",region="us-east-1"'


def page(count: int, last: float = 1000.0, polls: int = 1) -> str:
    """Return a page with a counter of AWS, the age of a unit, and a counter of the process itself."""
    return (
        f'# TYPE awschange_channel_events_total counter\nawschange_channel_events_total{{account_id="1",region="r",channel="cli"}} {count}\n'
        f"awschange_exporter_last_success_timestamp_seconds{{{_LABELS}}} {last}\nawschange_exporter_polls_total{{{_LABELS}}} {polls}\n"
    )


def test_pages_differ_in_what_the_store_has_and_in_nothing_else() -> None:
    """A harness that compares too little proves nothing, and one that compares what is each replica's own always fails."""
    assert differing([page(3, 1000.0, 1), page(3, 2000.0, 7)]) == []
    assert differing([page(3), page(4)]) == [
        'awschange_channel_events_total{account_id="1",region="r",channel="cli"} 3',
        'awschange_channel_events_total{account_id="1",region="r",channel="cli"} 4',
    ]
    assert len(differing([page(3), ""])) == 1, "a series that one of them lacks"


def test_counts_and_polls_are_read_off_a_page() -> None:
    """A count that is not found reads as right where the truth is zero, and a unit that is not found as one that nobody polls."""
    assert counters(page(3), ["awschange_channel_events_total"]) == Counter({("awschange_channel_events_total", ("1", "r", "cli")): 3})
    assert polled(page(3, 1000.0)) == {UNIT: 1000.0}
    assert polled(page(3, 0.0)) == {}, "never polled"
    assert polled(page(3), LAST_POLL) == {}, "another replica polls it"


def test_the_longest_gap_spans_replicas() -> None:
    """A unit that moves is polled by two, and the pause between them is what a dead replica costs."""
    polls = Polls()
    for last in (1000.0, 1002.0, 1009.0, 1011.0):
        polls.look(page(1, last))
    assert polls.longest_gaps() == {"cloudtrail": 7.0}


def test_every_kind_of_fault_is_told() -> None:
    """A fault that is found and not told would let a run pass."""
    series = ("awschange_channel_events_total", ("1", "r", "cli"))
    fine = Outcome(polled_by={UNIT: 1, ("s3", "", ""): 3}, codes=[0, 0, 0])
    assert fine.faults() == []
    for faulty in (
        Outcome(wrong={series: (2, 1)}),
        Outcome(shown_wrong={series: (0, 1)}),
        Outcome(missing=frozenset({"event"})),
        Outcome(unpolled=frozenset({UNIT})),
        Outcome(polled_by={UNIT: 2}),
        Outcome(differing=["a line"]),
        Outcome(ended=["replica 1 ended with 1"]),
        Outcome(codes=[0, 1]),
    ):
        assert len(faulty.faults()) == 1, faulty
