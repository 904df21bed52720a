"""Questions that have a name: the SQL that a person would otherwise look up at three in the morning.

Each runs as it stands on Athena and on DuckDB; `{name}` marks where a parameter goes, always within WHERE, as Athena wants it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.errors import SqlRefused
from exporter.sql.base import Statement

BEGINNING = "2013-11-13T00:00:00Z"
"""When CloudTrail began: since ever."""

_MARK = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a question takes; without a default it must be given. A `moment` is a time, which people write in several ways."""

    name: str
    help: str
    default: str | None = None
    moment: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """One question."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    sql: str

    def statement(self, table: str, values: Mapping[str, str]) -> Statement:
        """Return the question with its values; raise SqlRefused for one that is missing or not known."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise SqlRefused(f"{self.name} takes no {name!r}; it takes {', '.join(known) or 'nothing'}")
        given: dict[str, str] = {}
        for name, parameter in known.items():
            value = values.get(name, parameter.default)
            if value is None:
                raise SqlRefused(f"{self.name} needs a value: {name}, {parameter.help}")
            given[name] = value
        order: list[str] = []

        def put(match: re.Match[str]) -> str:
            if match[1] == "table":
                return table
            order.append(given[match[1]])
            return "?"

        return Statement(_MARK.sub(put, self.sql), tuple(order))


_SINCE = Parameter("since", "only events after this time", BEGINNING, moment=True)
_CALLS = Parameter("event_name", "only calls like this, `%` for anything", "%SecurityGroup%")

_WHO = """
    coalesce(
        json_extract_scalar(useridentity, '$.sessionContext.sessionIssuer.arn'),
        json_extract_scalar(useridentity, '$.arn'),
        json_extract_scalar(useridentity, '$.invokedBy'),
        json_extract_scalar(useridentity, '$.principalId'),
        json_extract_scalar(useridentity, '$.type')
    )"""

NAMED = (
    Named(
        "groups-created-deleted",
        "Security groups that were created or deleted, oldest first.",
        (_SINCE,),
        f"""SELECT eventtime, eventname, recipientaccountid, awsregion,{_WHO} AS who, sourceipaddress, useragent, errorcode,
    json_extract_scalar(requestparameters, '$.groupName') AS group_name,
    coalesce(json_extract_scalar(requestparameters, '$.groupId'), json_extract_scalar(responseelements, '$.groupId')) AS group_id,
    requestparameters, responseelements, eventid
FROM {{table}}
WHERE eventsource = 'ec2.amazonaws.com' AND (eventname = 'CreateSecurityGroup' OR eventname = 'DeleteSecurityGroup')
    AND eventtime > {{since}}
ORDER BY eventtime ASC, eventid""",  # noqa: S608 - no value of anybody's stands in it
    ),
    Named(
        "group-events",
        "Every event that names one group (or any other resource), oldest first; rules that name it as a peer too.",
        (Parameter("group", "the id, for example sg-0123456789abcdef0"), _SINCE),
        f"""SELECT eventtime, eventsource, eventname, recipientaccountid, awsregion,{_WHO} AS who, sourceipaddress, useragent, errorcode,
    requestparameters, responseelements, resources, eventid
FROM {{table}}
WHERE (strpos(requestparameters, {{group}}) > 0 OR strpos(responseelements, {{group}}) > 0 OR strpos(resources, {{group}}) > 0
        OR strpos(serviceeventdetails, {{group}}) > 0)
    AND eventtime > {{since}}
ORDER BY eventtime ASC, eventid""",  # noqa: S608
    ),
    Named(
        "opened-to-the-world",
        "Who let in the internet, or what may be it: a range of /0 to /9, or a prefix list, whose entries text does not tell.",
        (_SINCE,),
        f"""SELECT eventtime, eventsource, eventname, recipientaccountid, awsregion,{_WHO} AS who, sourceipaddress, useragent,
    coalesce(json_extract_scalar(requestparameters, '$.groupId'), json_extract_scalar(requestparameters, '$.groupName'),
        json_extract_scalar(requestparameters, '$.ModifySecurityGroupRulesRequest.GroupId')) AS group_id,
    requestparameters, responseelements, eventid
FROM {{table}}
WHERE eventname IN ('AuthorizeSecurityGroupIngress', 'ModifySecurityGroupRules', 'AuthorizeDBSecurityGroupIngress',
        'AuthorizeCacheSecurityGroupIngress', 'AuthorizeClusterSecurityGroupIngress')
    AND regexp_like(requestparameters, '/[0-9]"|pl-[0-9a-f]') AND coalesce(errorcode, '') = '' AND eventtime > {{since}}
ORDER BY eventtime ASC, eventid""",  # noqa: S608
    ),
    Named(
        "first-time-principals",
        "Who made such a call for the first time, of all that the logs hold: the role, not its session; newest first.",
        (_SINCE, _CALLS),
        f"""SELECT first_seen, last_seen, who, events, calls, accounts, first_source_ip, first_user_agent
FROM (
    SELECT who, min(eventtime) AS first_seen, max(eventtime) AS last_seen, count(*) AS events, count(DISTINCT eventname) AS calls,
        count(DISTINCT recipientaccountid) AS accounts, min_by(sourceipaddress, eventtime) AS first_source_ip,
        min_by(useragent, eventtime) AS first_user_agent
    FROM (
        SELECT eventtime, eventname, recipientaccountid, sourceipaddress, useragent,{_WHO} AS who
        FROM {{table}}
        WHERE eventname LIKE {{event_name}} AND coalesce(readonly, 'false') <> 'true' AND eventname NOT LIKE 'Describe%'
    ) AS calls_made
    GROUP BY who
) AS principals
WHERE first_seen > {{since}}
ORDER BY first_seen DESC, who""",  # noqa: S608
    ),
    Named(
        "console-changes",
        "Changes that were made in the console, by hand, newest first; as agents and sessions say, which is a claim and no proof.",
        (_SINCE, _CALLS),
        f"""SELECT eventtime, eventsource, eventname, recipientaccountid, awsregion,{_WHO} AS who, sourceipaddress, useragent, errorcode,
    requestparameters, eventid
FROM {{table}}
WHERE eventname LIKE {{event_name}} AND coalesce(readonly, 'false') <> 'true' AND eventname NOT LIKE 'Describe%'
    AND (sessioncredentialfromconsole = 'true' OR eventtype IN ('AwsConsoleAction', 'AwsConsoleSignIn')
        OR regexp_like(lower(useragent), 'console\\.|console/|consolefrontend|signin\\.amazonaws\\.com|aws signin|applewebkit/|gecko/'))
    AND eventtime > {{since}}
ORDER BY eventtime DESC, eventid""",  # noqa: S608
    ),
)


def named(name: str) -> Named:
    """Return the question of a name; raise SqlRefused that says which there are."""
    for question in NAMED:
        if question.name == name:
            return question
    raise SqlRefused(f"there is no question {name!r:.80}; choose from {', '.join(question.name for question in NAMED)}")
