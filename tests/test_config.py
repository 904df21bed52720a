"""The configuration: every mistake is told with file, key path and remedy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.config import load, parse
from exporter.errors import ConfigError
from exporter.settings import format_duration, format_size, parse_duration, parse_size

ROLE = "arn:aws:iam::111122223333:role/aws-change-exporter"
EXCEPTION = "name: a, reason: b, expires: 2027-01-31"

INVALID = [
    ("surces: []", "x.yml: surces: unknown key; remove it or correct its spelling"),
    ("store: {pth: /a}", "x.yml: store.pth: unknown key; remove it or correct its spelling"),
    ("- 1", "x.yml: must be a mapping of sections, such as `sources:`, not list"),
    ("sources: 3", "x.yml: sources: must be a list, not 3"),
    ("sources: [{type: files}]", "x.yml: sources[0].path: is required; add it"),
    ("sources: [{type: fils, path: /a}]", "x.yml: sources[0]: needs a `type`, one of `cloudtrail`, "),
    ("sources: [{path: /a}]", "x.yml: sources[0]: needs a `type`, one of `cloudtrail`, "),
    ("sources: [{type: cloudtrail, regions: [moon]}]", "x.yml: sources[0].regions[0]: 'moon' is no region; write it as us-east-1"),
    ("sources: [{type: cloudtrail, path: /a}]", "x.yml: sources[0].path: unknown key; remove it or correct its spelling"),
    (
        "aws: {accounts: [{role_arn: nonsense}]}",
        "x.yml: aws.accounts[0].role_arn: 'nonsense' is no ARN of a role; write it as arn:aws:iam::",
    ),
    (f"aws: {{accounts: [{{role_arn: '{ROLE}', via: [{{}}]}}]}}", "x.yml: aws.accounts[0].via[0].role_arn: is required; add it"),
    (
        f"aws: {{accounts: [{{role_arn: '{ROLE}'}}, {{role_arn: '{ROLE}'}}]}}",
        "x.yml: aws: the account 111122223333 stands twice in `accounts`; keep one",
    ),
    (
        "aws: {organization: {role_name: a, include: [111122223333]}}",
        "x.yml: aws.organization.include[0]: must be text, not the number 111122223333; put it in quotes",
    ),
    (
        "aws: {organization: {role_name: a, exclude: ['1']}}",
        "x.yml: aws.organization.exclude[0]: '1' is no account id; write its 12 digits in quotes",
    ),
    ("aws: {organization: yes}", "x.yml: aws.organization: must be a mapping of keys, not True"),
    ("aws: {lookup_rate: 5}", "x.yml: aws.lookup_rate: must be less than or equal to 2, not 5"),
    ("sources: [{type: files, path: /a, colour: red}]", "x.yml: sources[0].colour: unknown key; remove it or correct its spelling"),
    (
        "sources: [{type: files, path: /a, poll_interval: soon}]",
        "x.yml: sources[0].poll_interval: 'soon' is no duration; write it as 60s, 5m, 1h30m or 400d",
    ),
    ("sources: [{type: files, path: /a, poll_interval: 0s}]", "x.yml: sources[0].poll_interval: must be longer than 0s"),
    (
        "sources: [{type: files, path: /a, live_since: yesterday}]",
        "x.yml: sources[0].live_since: 'yesterday' is no point in time; write start, beginning or a time such as 2026-01-31T00:00:00Z",
    ),
    ("sources: [3]", "x.yml: sources[0]: must be a mapping of keys, not 3"),
    ("store: 5", "x.yml: store: must be a mapping of keys, not 5"),
    (
        "sources: [{type: files, path: /a}, {type: files, path: /b}]",
        "x.yml: sources: two sources are named 'files'; give sources[1] another `name`",
    ),
    ("sources: [{type: files, path: /a, name: 'a b'}]", "x.yml: sources[0].name: "),
    ("watch: {sets: [security_group]}", "x.yml: watch.sets[0]: unknown watch set 'security_group'; choose from security_groups, "),
    ("watch: {sets: []}", "x.yml: watch: nothing is watched; name at least one watch set or event pattern"),
    ("watch: {events: [{event_name: 'Put*'}]}", "x.yml: watch.events[0].event_source: is required; add it"),
    (
        "metrics: {budgets: {awschange_event_total: 5}}",
        "x.yml: metrics.budgets: unknown metric family 'awschange_event_total'; choose from awschange_events_total, ",
    ),
    ("metrics: {budgets: {awschange_events_total: 0}}", "x.yml: metrics.budgets.awschange_events_total: "),
    ("port_classes: {classes: {admins: ['22']}}", "x.yml: port_classes.classes: unknown port class 'admins'; choose from "),
    ("port_classes: {classes: {admin: ['22-']}}", "x.yml: port_classes.classes: "),
    ("web: {external_url: 'javascript:alert(1)'}", "x.yml: web.external_url: "),
    ("web: {external_url: 'ftp://a'}", "x.yml: web.external_url: 'ftp://a' is no web address; write it as https://changes.example.com"),
    ("web: {external_url: 'https://a b'}", "x.yml: web.external_url: 'https://a b' is no web address"),
    ("store: {path: ''}", "x.yml: store.path: must not be empty; name a file"),
    ("store: {path: }", "x.yml: store.path: must be a path, not None"),
    (
        "watch: {events: [{event_source: s3, event_name: 'Put*'}]}",
        "x.yml: watch.events[0].event_source: 's3' matches nothing; write it as CloudTrail does, for example s3.amazonaws.com",
    ),
    ("posture: {enabled: maybe}", "x.yml: posture.enabled: must be true or false, not 'maybe'"),
    ("posture: {source: config}", "x.yml: posture.source: must be 'auto', 'ec2' or 'aws_config', not 'config'"),
    ("posture: {regions: [US East]}", "x.yml: posture.regions[0]: 'US East' is no region; write it as us-east-1, or write all"),
    ("posture: {overrides: [{source: ec2, accounts: ['1']}]}", "x.yml: posture.overrides[0].accounts[0]: '1' is no account id; write its "),
    ("posture: {overrides: [{source: ec2, regions: [all]}]}", "x.yml: posture.overrides[0].regions[0]: 'all' is no region; write it as "),
    ("posture: {overrides: [{regions: [us-east-1]}]}", "x.yml: posture.overrides[0].source: is required; add it"),
    ("posture: {aggregator: {name: all}}", "x.yml: posture.aggregator.region: is required; add it"),
    ("posture: {aggregator: {name: all, region: moon}}", "x.yml: posture.aggregator.region: 'moon' is no region; write it as us-east-1"),
    (
        "posture: {aggregator: {name: all, region: us-east-1, account_id: '1'}}",
        "x.yml: posture.aggregator.account_id: '1' is no account id; write its 12 digits in quotes",
    ),
    ("posture: {lag_budget: 0s}", "x.yml: posture.lag_budget: must be longer than 0s"),
    ("posture: {rules_quota: 1.5}", "x.yml: posture.rules_quota: must be a whole number, not 1.5"),
    ("posture: {internet: {ipv6_prefix: 2}}", "x.yml: posture.internet.ipv6_prefix: must be greater than or equal to 3, not 2"),
    (
        "posture: {internet: {not_internet: [192.0.2.0/33]}}",
        "x.yml: posture.internet.not_internet: '192.0.2.0/33' is no range of addresses; write 192.0.2.0/24 or 2001:db8::/32",
    ),
    ("posture: {exceptions: [{name: a, reason: b, ports: ['22']}]}", "x.yml: posture.exceptions[0].expires: is required; add it"),
    (f"posture: {{exceptions: [{{{EXCEPTION}}}]}}", "x.yml: posture.exceptions[0]: covers everything; name at least one of "),
    (
        f"posture: {{exceptions: [{{{EXCEPTION}, ports: [22]}}, {{{EXCEPTION}, ports: [80]}}]}}",
        "x.yml: posture.exceptions: two exceptions are named 'a'; give exceptions[1] another `name`",
    ),
    (
        f"posture: {{exceptions: [{{{EXCEPTION}, security_groups: [bastion]}}]}}",
        "x.yml: posture.exceptions[0].security_groups[0]: 'bastion' is no id of a group; write sg-0123456789abcdef0, not its name",
    ),
    (f"posture: {{exceptions: [{{{EXCEPTION}, cidrs: [all]}}]}}", "x.yml: posture.exceptions[0].cidrs: 'all' is no range of addresses; "),
    (f"posture: {{exceptions: [{{{EXCEPTION}, ports: [ssh]}}]}}", "x.yml: posture.exceptions[0].ports: 'ssh' is no port; write 22, "),
    (
        f"posture: {{exceptions: [{{{EXCEPTION}, ports: [22], regions: [x]}}]}}",
        "x.yml: posture.exceptions[0].regions[0]: 'x' is no region; ",
    ),
    (f"posture: {{exceptions: [{{{EXCEPTION}, tags: {{a: true}}}}]}}", "x.yml: posture.exceptions[0].tags.a: must be text, not "),
    *(
        (
            f"posture: {{exceptions: [{{name: a, reason: b, ports: [22], expires: {date}}}]}}",
            f"x.yml: posture.exceptions[0].expires: {message}",
        )
        for date, message in (
            ("never", "'never' is no date; write 2027-01-31 or 2027-01-31T12:00:00Z"),
            ("2027-02-30", "'2027-02-30' is no date; write 2027-01-31 or 2027-01-31T12:00:00Z"),
            ("2027", "must be a date such as 2027-01-31, not 2027"),
            ("9999-12-31", "9999-12-31 is no date that ever comes; write one such as 2027-01-31"),
            ("0001-01-01T00:00:00+14:00", "0001-01-01 00:00:00+14:00 is no date that ever comes; write one such as 2027-01-31"),
        )
    ),
    ("sources: [{type: files, path: /a, live_since: 2026-02-30}]", "x.yml: sources[0].live_since: '2026-02-30' is no point in time; "),
    ("port_classes: {classes: {admin: [1.5]}}", "x.yml: port_classes.classes.admin[0]: must be "),
    ("1: 2", "x.yml: 1: unknown key; remove it or correct its spelling"),
    ("a: b\nc: \x00d", "x.yml:2:4: not valid YAML: the character '\\x00'; remove it"),
    ("a: [1", "x.yml:1:"),
    ("store: {path: a}\nstore: {path: b}", "x.yml:2:1: not valid YAML: the key 'store' stands twice; keep one"),
    ("store: !!python/object/apply:os.system ['true']", "x.yml:1:8: not valid YAML: "),
]


@pytest.mark.parametrize(("text", "message"), INVALID, ids=[text[:60] for text, _ in INVALID])
def test_a_mistake_is_told_with_key_path_and_remedy(text: str, message: str) -> None:
    """A person who mistypes a key must not run a month with a default."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yml")
    assert str(caught.value).startswith(message)


def test_an_unknown_type_is_named() -> None:
    """Which of five is misspelt must be seen at once."""
    with pytest.raises(ConfigError, match=r"not 'fils'$"):
        parse("sources: [{type: fils, path: /a}]", "x.yml")


@pytest.mark.parametrize("value", ["[hush-hush]", "{hush-hush: 1}", "hush-hush" * 200, "7355608", "7355608.5", "[7355608]"])
@pytest.mark.parametrize(
    "where",
    [
        f"aws: {{accounts: [{{role_arn: '{ROLE}', external_id: SECRET}}]}}",
        f"aws: {{accounts: [{{role_arn: 3, via: [{{role_arn: '{ROLE}', external_id: SECRET}}]}}]}}",
        "aws: {organization: {external_id: SECRET, include: 3}}",
        "aws: {organization: {role_name: '', external_id: SECRET, external_idd: SECRET}}",
    ],
)
def test_an_external_id_is_not_told_by_an_error(where: str, value: str) -> None:
    """Errors land in logs and tickets."""
    with pytest.raises(ConfigError) as caught:
        parse(where.replace("SECRET", value), "x.yml")
    assert "hush" not in str(caught.value)
    assert "7355608" not in str(caught.value)
    assert "external_id: must be text, in quotes" in str(caught.value)


def test_an_external_id_is_not_told_by_the_configuration() -> None:
    """A traceback or a debugger's line shows values as they print themselves."""
    text = f"aws: {{accounts: [{{role_arn: '{ROLE}', external_id: hush}}], organization: {{role_name: a, external_id: hush}}}}"
    assert "hush" not in repr(parse(text, "x.yml"))
    assert parse(text, "x.yml").aws.accounts[0].external_id == "hush"


def test_without_any_source_event_history_is_read() -> None:
    """`{}` with credentials in the environment watches the account that they belong to."""
    (source,) = parse("{}", "x.yml").sources
    assert (source.type, source.name) == ("cloudtrail", "cloudtrail")
    assert parse("sources: []", "x.yml").sources == ()


def test_a_pattern_may_match_any_source() -> None:
    """The check for names that match nothing must not refuse a `*`."""
    events = parse("watch: {events: [{event_source: '*', event_name: 'Put*'}, {event_source: 's3*', event_name: '*'}]}", "x").watch.events
    assert [event.event_source for event in events] == ["*", "s3*"]


def test_all_mistakes_are_told_at_once() -> None:
    """One error a run would cost a restart for each."""
    with pytest.raises(ConfigError) as caught:
        parse("store: {retention: x}\nsources: [{type: files}]\nfoo: 1", "x.yml")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["store.retention", "sources[0].path", "foo"]


def test_an_empty_file_is_all_defaults() -> None:
    """Every key is optional."""
    config = parse("", "x.yml")
    assert config.store.retention == timedelta(days=400)
    assert config.watch.sets == ("security_groups", "legacy_security_groups", "prefix_lists")


def test_the_configuration_cannot_be_changed() -> None:
    """A value that changes under a running poller is a race."""
    config = parse("{}", "x.yml")
    with pytest.raises(Exception, match="frozen"):
        config.store = None  # type: ignore[assignment,misc]


def test_live_since_takes_three_forms() -> None:
    """The line between past and live is the operator's to draw."""
    text = "sources: [{type: files, path: /a, live_since: %s}]"
    assert parse(text % "beginning", "x").sources[0].live_since == "beginning"
    assert parse(text % "start", "x").sources[0].live_since == "start"
    assert str(parse(text % "2026-01-31", "x").sources[0].live_since) == "2026-01-31 00:00:00+00:00"
    assert str(parse(text % "2026-01-31T00:00:00Z", "x").sources[0].live_since) == "2026-01-31 00:00:00+00:00"


def test_a_source_is_named_by_its_type_unless_it_has_a_name() -> None:
    """The name is the label `source`."""
    config = parse("sources: [{type: files, path: /a}, {type: files, path: /b, name: archive}]", "x")
    assert [source.name for source in config.sources] == ["files", "archive"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message must name the path that was tried."""
    with pytest.raises(ConfigError, match=r"nothing\.yml: no such file; correct the path"):
        load(tmp_path / "nothing.yml")
    with pytest.raises(ConfigError, match=r"is a directory; name a file in it"):
        load(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """Binary files must not end in a traceback."""
    path = tmp_path / "c.yml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read: not UTF-8 at byte 0; save it as UTF-8 text"):
        load(path)


def test_endless_nesting_is_an_error_not_a_crash() -> None:
    """PyYAML recurses; the interpreter's limit must not reach the user."""
    with pytest.raises(ConfigError):
        parse("[" * 5000, "x.yml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("1h30m", 5400), ("400d", 34560000), (5, 5), ("500ms", 0.5), ("1w", 604800), ("1.5h", 5400)]
)
def test_durations_read_as_prometheus_spells_them(text: object, seconds: float) -> None:
    """A duration read wrong is a poll a thousand times too rare."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "-5s", "5 s", "s", "1x", None, True, [], "1h-2m", "9" * 400 + "y"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """A silent zero would poll without pause."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1d2h3m4s", "90d", "1h", "250ms", "0s"])
def test_a_duration_survives_being_written(text: str) -> None:
    """Generated docs show defaults in the notation that the file takes."""
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(("text", "size"), [("256MiB", 2**28), ("10 MB", 10**7), (7, 7), ("1GiB", 2**30), ("12", 12)])
def test_sizes_read_in_both_units(text: object, size: int) -> None:
    """MiB and MB are not the same."""
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "MiB", "1.5GiB", "-1", "5 parsecs", None, 1.5, True])
def test_what_is_no_size_is_refused(text: object) -> None:
    """A bound read wrong is no bound."""
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


def test_ports_need_no_quotes() -> None:
    """YAML reads 22 as a number; a person means the port."""
    classes = parse("port_classes: {classes: {admin: [22, 8000-8100, 161/udp]}}", "x").port_classes
    assert classes.ranges()["admin"].overlaps("tcp", 22, 22)
    assert classes.ranges()["admin"].overlaps("udp", 161, 161)
    assert not classes.ranges()["admin"].overlaps("tcp", 3389, 3389)
    assert classes.ranges()["database"].overlaps("tcp", 5432, 5432)


def test_an_exception_ends_with_the_day_or_at_the_moment_that_is_written() -> None:
    """An exception that ends a day early pages somebody at midnight; one that ends hours late hides a rule."""

    def expiry(text: str) -> str:
        return (
            parse(f"posture: {{exceptions: [{{name: a, reason: b, ports: [22], expires: {text}}}]}}", "x")
            .posture.exceptions[0]
            .expires.isoformat()
        )

    assert {expiry(text) for text in ("2027-01-31", "'2027-01-31'")} == {"2027-02-01T00:00:00+00:00"}
    moments = (
        "2027-01-31T12:00:00Z",
        "'2027-01-31T12:00:00Z'",
        "2027-01-31T14:00:00+02:00",
        "2027-01-31 12:00:00",
        "'2027-01-31T14:00+02:00'",
    )
    assert {expiry(text) for text in moments} == {"2027-01-31T12:00:00+00:00"}


def test_what_stands_is_read_where_any_source_reads_from_aws() -> None:
    """`{}` reads EC2; files alone ask nothing of AWS, unless that is wanted."""
    assert parse("{}", "x").reads_posture
    assert parse("sources: [{type: files, path: /a}, {type: cloudtrail}]", "x").reads_posture
    files = "sources: [{type: files, path: /a}]"
    assert (parse(files, "x").reads_posture, parse(files, "x").needs_aws) == (False, False)
    wanted = parse(f"{files}\nposture: {{enabled: true}}", "x")
    assert (wanted.reads_posture, wanted.needs_aws) == (True, True)
    refused = parse("posture: {enabled: false}", "x")
    assert (refused.reads_posture, refused.needs_aws) == (False, True)
