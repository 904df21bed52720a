"""docs/events.md, from the catalog: which calls belong to which watch set."""

from __future__ import annotations

from exporter.catalog import CORE_EVENTS, DEFAULT_WATCH_SETS, WATCH_SETS, EventSpec
from exporter.model import Outcome
from tools.markdown import code, notice, page, table

INTRODUCTION = """
A watch set is a named list of calls; `watch.sets` in the configuration chooses among them, `watch.events` adds patterns of
your own. A call is always matched together with its event source, because services share names (`CreateSecurityGroup` is
not EC2's alone).
"""


OUTCOMES = {
    Outcome.SUCCESS: "AWS did it. A call whose parameters AWS left out of the record (over 100 KB) is one too: what it changed is "
    "unknown, not nothing; history says `content_known: false`.",
    Outcome.NOOP: "A revoke that AWS answered without an error although none of the rules was there.",
    Outcome.DENIED: "The caller was not allowed to.",
    Outcome.FAILED: "Any other error; nothing was changed.",
    Outcome.DRY_RUN: "The caller asked whether it would be allowed, and it would.",
}

COUNTING = """
Every outcome counts in `awschange_events_total` and `awschange_channel_events_total`. Only `success` counts as a change of a group, a
change by a principal, or as opened ingress.

- `attachments` records a call only where it names a group, and `tags` only tags of groups, rules and prefix lists; where AWS left the
  parameters of a successful call out, it is recorded. A call that another chosen set or a pattern of `watch.events` asks for
  is recorded whole.
- A group is counted under its id. Where the record tells only a name (a call by name that failed, or from before AWS answered with
  ids), it stands as `name:` and the name.
- One action that AWS records in several accounts (`sharedEventID`) counts once in each of them.
- The copy of a call that the owner of a VPC endpoint gets (network activity events) is not counted: the call has a record of its own. What
  the policy of the endpoint denied may have none, and is counted.
- A version suffix of an event name is looked past: `UpdateFunctionConfiguration20150331v2` is watched as `UpdateFunctionConfiguration`,
  and keeps its own name in labels and history.
- Whether ingress was opened is judged by the addresses in the record of the change alone. Prefix lists and groups that a rule refers to are
  not judged. A rule changed by `ModifySecurityGroupRules` is taken for ingress, because its record does not tell.
- AWS may send a fuller version of a record later (`UPDATED_DATA`). It is the same change: it replaces the details in history, and
  counts only what the first version did not tell, such as the group or the ports that were opened.
"""


def events_page() -> str:
    """Return the page with every watch set and its calls."""
    blocks = [notice("exporter/catalog"), "# What is watched", INTRODUCTION]
    core = set(CORE_EVENTS)
    for name, specs in WATCH_SETS.items():
        chosen = "Watched by default." if name in DEFAULT_WATCH_SETS else f"Watched where `watch.sets` names `{name}`."
        if {(spec.event_source, spec.event_name) for spec in specs} == core:
            chosen += " For these calls `awschange_events_total` exists at 0 from the start."
        rows = sorted((code(spec.event_source), code(spec.event_name), named(spec)) for spec in specs)
        blocks += [f"## {name}", chosen, table(("Event source", "Event name", "Resources that history names"), rows)]
    meanings = [(code(outcome.value), OUTCOMES[outcome]) for outcome in Outcome]
    blocks += ["## What counts", table(("Outcome", "Meaning"), meanings), COUNTING]
    return page(*blocks)


def named(spec: EventSpec) -> str:
    """Return the resource types that a call's row names, without repeats; security groups themselves are found in every record."""
    return ", ".join(dict.fromkeys(code(path.type) for path in spec.resources))
