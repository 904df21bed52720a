"""The command `open` on saved answers: what it prints, byte for byte, and what it says of what it cannot judge."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.cli.open_table import WRITERS
from exporter.history.open_rows import OPEN_COLUMNS, OpenRow, open_to_csv, open_to_json
from exporter.model import Direction, PeerType, Rule
from exporter.posture.standing import Group
from tests.standing_shapes import ACCOUNT, VPC, config_item, described_group, described_rule

SG, PL = "sg-0123456789abcdef0", "pl-0123456789abcdef0"
IN, OUT = Direction.INGRESS, Direction.EGRESS
V4, V6, LIST = PeerType.IPV4, PeerType.IPV6, PeerType.PREFIX_LIST

RULES = (
    Rule(IN, None, "all", None, None, V6, "::/0"),
    Rule(IN, None, "icmp", 8, -1, V4, "0.0.0.0/0"),
    Rule(IN, None, "tcp", 22, 22, V4, "0.0.0.0/0", "from home"),
    Rule(IN, None, "tcp", 443, 8443, V4, "0.0.0.0/0"),
    Rule(IN, None, "tcp", 5432, 5432, V4, "192.0.2.0/24"),
    Rule(IN, None, "50", None, None, V4, "0.0.0.0/0"),
    Rule(IN, None, "tcp", 3389, 3389, PeerType.SECURITY_GROUP, "sg-0fedcba9876543210"),
    Rule(OUT, None, "all", None, None, V4, "0.0.0.0/0"),
)
GROUP = Group(SG, "web", VPC, RULES, (("team", "blue"),), ACCOUNT)
LISTED = Group(SG, "web", VPC, (Rule(IN, None, "tcp", 22, 22, LIST, PL),), (), ACCOUNT)


def run(*arguments: object, columns: int | None = None, stdin: bytes | None = None) -> Result:
    """Run the command as in a folder without a configuration, on a terminal of some width or into a pipe."""
    environment = {"COLUMNS": str(columns) if columns else None, "AWS_CHANGE_EXPORTER_CONFIG": None}
    return CliRunner().invoke(main, ["open", *map(str, arguments)], env=environment, input=stdin)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests counts."""
    monkeypatch.chdir(tmp_path)


def saved(folder: Path, body: Any, name: str = "answer.json") -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
    return path


def test_json_is_one_row_a_line(tmp_path: Path) -> None:
    """Programs depend on the names, and on what is null where a file does not tell."""
    found = run("--file", saved(tmp_path, {"SecurityGroups": [described_group(GROUP)]}), "--format", "json")
    place = (
        '"rule_id": null, "vpc_id": "vpc-0123456789abcdef0", "security_group_name": "web", "exposure": "unknown", "exception": null, '
        '"account_id": "111122223333", "region": "eu-west-1", "since": null, "by": null}'
    )
    v4 = '"ip_version": 4, "port_class": "{}", "peer": "0.0.0.0/0", ' + place
    expected = [
        '{"security_group_id": "sg-0123456789abcdef0", "protocol": "50", "from_port": null, "to_port": null, ' + v4.replace("{}", "other"),
        '{"security_group_id": "sg-0123456789abcdef0", "protocol": "all", "from_port": null, "to_port": null, "ip_version": 6, '
        '"port_class": "all", "peer": "::/0", ' + place,
        '{"security_group_id": "sg-0123456789abcdef0", "protocol": "icmp", "from_port": 8, "to_port": -1, ' + v4.replace("{}", "other"),
        '{"security_group_id": "sg-0123456789abcdef0", "protocol": "tcp", "from_port": 22, "to_port": 22, ' + v4.replace("{}", "admin"),
        *(
            '{"security_group_id": "sg-0123456789abcdef0", "protocol": "tcp", "from_port": 443, "to_port": 8443, ' + v4.replace("{}", name)
            for name in ("admin", "database", "directory", "file", "cluster", "web")
        ),
    ]
    assert (found.stdout, found.stderr, found.exit_code) == ("[\n" + ",\n".join(expected) + "\n]\n", "", 0)


def test_csv_has_the_same_columns(tmp_path: Path) -> None:
    """The header names them; numbers stay numbers."""
    found = run("--file", saved(tmp_path, [config_item(replace(GROUP, rules=RULES[2:3]), "history")]), "--format", "csv")
    assert found.stdout_bytes.decode() == (
        "security_group_id,protocol,from_port,to_port,ip_version,port_class,peer,rule_id,vpc_id,"
        "security_group_name,exposure,exception,account_id,region,since,by\r\n"
        "sg-0123456789abcdef0,tcp,22,22,4,admin,0.0.0.0/0,,vpc-0123456789abcdef0,web,unknown,,111122223333,eu-west-1,,\r\n"
    )


TABLE = """
 group                  open                    class   exposure   where
 ───────────────────────────────────────────────────────────────────────────────────────
 sg-0123456789abcdef0   all traffic from ::/0   all     unknown    111122223333
 web                                                               eu-west-1
                                                                   vpc-0123456789abcdef0
 sg-0123456789abcdef0   tcp 22 from 0.0.0.0/0   admin   unknown    111122223333
 web                                                               eu-west-1
                                                                   vpc-0123456789abcdef0
"""
NARROW = """
 group                   open              class   exposure
 ──────────────────────────────────────────────────────────
 sg-0123456789abcdef0    all traffic       all     unknown
 web                     from ::/0
 111122223333
 eu-west-1
 vpc-0123456789abcdef0
 sg-0123456789abcdef0    tcp 22 from       admin   unknown
 web                     0.0.0.0/0
 111122223333
 eu-west-1
 vpc-0123456789abcdef0
"""


def test_the_table_is_as_it_is(tmp_path: Path) -> None:
    """Whole, so that a change of its looks is seen."""
    path = saved(tmp_path, described_group(replace(GROUP, rules=(RULES[0], RULES[2]))))
    assert run("--file", path).stdout.rstrip() + "\n" == TABLE
    assert run("--file", path, columns=60).stdout.rstrip() + "\n" == NARROW


def test_the_table_tells_every_kind_of_traffic(tmp_path: Path) -> None:
    """A person reads what is open, not numbers of protocols; classes of one rule share its line, and empty columns are left out."""
    found = run("--file", saved(tmp_path, described_group(GROUP)))
    for words in ("protocol 50", "all traffic", "icmp type 8", "tcp 22", "tcp 443-8443"):
        assert f" {words} from " in found.stdout, words
    assert "admin, database, directory, file, cluster, web" in " ".join(found.stdout.split())
    assert found.stdout.splitlines()[1].split() == ["group", "open", "class", "exposure", "where"]
    assert (found.stderr, found.exit_code) == ("", 0)


@pytest.mark.parametrize("columns", [60, 80, 120, None])
def test_the_table_fits_where_it_is_shown(tmp_path: Path, columns: int | None) -> None:
    """A line that wraps by itself tears the columns apart."""
    found = run("--file", saved(tmp_path, described_group(GROUP)), columns=columns)
    assert max(map(len, found.stdout.splitlines())) <= (columns or 160)
    assert found.stdout.isprintable() or set(filter(lambda character: not character.isprintable(), found.stdout)) == {"\n"}


def test_rows_of_the_store_show_who_and_since_when(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The live command prints the same rows, with what only the store knows."""
    monkeypatch.delenv("COLUMNS", raising=False)
    row = OpenRow(SG, "tcp", 22, 22, 4, "admin", "0.0.0.0/0", "sgr-1", VPC, "web", "public", None, ACCOUNT, "eu-west-1", datetime(2026, 3, 1, 9, tzinfo=UTC), "role/Deploy")  # fmt: skip
    excepted = replace(row, exception="bastion", protocol="udp")
    WRITERS["table"]([row, excepted])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["group", "open", "class", "exposure", "since", "(UTC)", "by", "where"]
    assert "public" in lines[3]
    assert "2026-03-01 09:00:00" in lines[3]
    assert "role/Deploy" in lines[3]
    assert any("excepted: bastion" in line for line in lines)
    assert json.loads("".join(open_to_json([row])))[0] | {"x": 1} == {
        **{name: getattr(row, name) for name in OPEN_COLUMNS},
        "since": "2026-03-01T09:00:00Z",
        "x": 1,
    }


def test_nothing_open_is_an_empty_answer(tmp_path: Path) -> None:
    """An empty array parses, an empty table says so."""
    path = saved(tmp_path, described_group(replace(GROUP, rules=RULES[4:5])))
    assert run("--file", path, "--format", "json").stdout == "[]\n"
    assert run("--file", path, "--format", "csv").stdout.count("\n") == 1
    table = run("--file", path)
    assert (table.stdout, table.stderr, table.exit_code) == ("", "No rule lets the internet in.\n", 0)


def test_a_file_without_groups_says_so(tmp_path: Path) -> None:
    """Nothing open because nothing was there."""
    path = saved(tmp_path, {"SecurityGroups": []})
    found = run("--file", path, "--format", "json")
    assert (found.stdout, found.stderr, found.exit_code) == ("[]\n", f"Note: {path}: holds no security group\n", 0)


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_standard_input_is_read(form: str) -> None:
    """As the end of a pipe."""
    body = json.dumps([described_rule(SG, replace(RULES[2], rule_id="sgr-0123456789abcdef0"))]).encode()
    found = run("--file", "-", "--format", "json", stdin=gzip.compress(body) if form == "gzip" else body)
    (row,) = json.loads(found.stdout)
    assert (row["security_group_id"], row["rule_id"], row["from_port"]) == (SG, "sgr-0123456789abcdef0", 22)
    assert (row["security_group_name"], row["vpc_id"]) == (None, None)


def test_halves_of_the_internet_are_open_together(tmp_path: Path) -> None:
    """The judge sees groups, not rules one by one."""
    halves = tuple(Rule(IN, None, "tcp", 22, 22, V4, cidr) for cidr in ("0.0.0.0/1", "128.0.0.0/1"))
    found = run("--file", saved(tmp_path, described_group(replace(GROUP, rules=halves))), "--format", "json")
    assert [(row["peer"], row["port_class"]) for row in json.loads(found.stdout)] == [("0.0.0.0/1", "admin"), ("128.0.0.0/1", "admin")]


def test_a_state_that_was_answered_twice_is_one_row(tmp_path: Path) -> None:
    """Two pages may overlap; and a history tells the past, which is not open now."""
    older = config_item(replace(GROUP, rules=RULES[:4]), "history", captured="2020-01-01T00:00:00Z")
    newer = config_item(replace(GROUP, rules=RULES[2:3]), "history")
    found = run("--file", saved(tmp_path, {"configurationItems": [newer, older, newer]}), "--format", "json")
    assert [row["from_port"] for row in json.loads(found.stdout)] == [22]
    twice = run("--file", saved(tmp_path, [described_group(replace(GROUP, rules=RULES[2:3]))] * 2), "--format", "json")
    assert len(json.loads(twice.stdout)) == 1


# The configuration.


def test_port_classes_internet_and_exceptions_of_the_configuration_count(tmp_path: Path) -> None:
    """What a company excepts, and what it calls the internet."""
    rules = (RULES[2], Rule(IN, None, "tcp", 9999, 9999, V4, "0.0.0.0/0"), Rule(IN, None, "tcp", 80, 80, V4, "198.0.0.0/9"))
    config = tmp_path / "config.yml"
    config.write_text(
        json.dumps(
            {
                "port_classes": {"classes": {"database": ["9999"]}},
                "posture": {
                    "internet": {"ipv4_prefix": 16},
                    "exceptions": [
                        {"name": "bastion", "reason": "r", "expires": "2999-01-01", "ports": ["22"], "accounts": [ACCOUNT], "regions": ["eu-west-1"]},
                        {"name": "past", "reason": "r", "expires": "2020-01-01", "ports": ["9999"]},
                    ],
                },
            }
        )
    )  # fmt: skip
    path = saved(tmp_path, config_item(replace(GROUP, rules=rules)))
    found = run("--config.file", config, "--file", path, "--format", "json")
    rows = {row["from_port"]: (row["port_class"], row["exception"]) for row in json.loads(found.stdout)}
    assert rows == {22: ("admin", "bastion"), 80: ("web", None), 9999: ("database", None)}
    plain = run("--file", path, "--format", "json")
    assert {row["from_port"]: (row["port_class"], row["exception"]) for row in json.loads(plain.stdout)} == {
        22: ("admin", None),
        9999: ("other", None),
    }


def test_a_wrong_configuration_is_an_error(tmp_path: Path) -> None:
    """Judged by defaults instead, the answer would be another than was asked for."""
    config = tmp_path / "config.yml"
    config.write_text("posture: {internet: {ipv4_prefix: 99}}")
    found = run("--config.file", config, "--file", saved(tmp_path, []), "--format", "json")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "posture.internet.ipv4_prefix" in found.stderr


# Prefix lists.


def test_a_prefix_list_that_is_not_known_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    """It may hold 0.0.0.0/0; closed without a word would be a lie."""
    found = run("--file", saved(tmp_path, config_item(LISTED)), "--format", "json")
    assert (found.stdout, found.exit_code) == ("[]\n", 0)
    assert found.stderr == (
        f"Note: prefix list {PL} is not known, so what its rules open is not told; "
        f"aws ec2 get-managed-prefix-list-entries --prefix-list-id {PL} --query '{{\"{PL}\": Entries}}' --output json --region eu-west-1"
        " > FILE gets them for --prefix-lists FILE\n"
    )


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({PL: ["0.0.0.0/0"]}, [PL]),
        ({PL: [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}]}, [PL]),
        ({"PrefixListId": PL, "Entries": [{"Cidr": "0.0.0.0/0", "Description": "x"}]}, [PL]),
        ({"PrefixLists": [{"PrefixListId": PL, "Cidrs": ["192.0.2.0/24"]}]}, []),
        ({PL: []}, []),
    ],
    ids=["open", "open together", "an answer", "narrow", "empty"],
)
def test_prefix_lists_of_other_files_count(tmp_path: Path, lists: Any, expected: list[str]) -> None:
    """Then nothing is left unknown."""
    path = saved(tmp_path, config_item(LISTED))
    found = run("--file", path, "--prefix-lists", saved(tmp_path, lists, "lists.json"), "--format", "json")
    assert ([row["peer"] for row in json.loads(found.stdout)], found.stderr, found.exit_code) == (expected, "", 0)


def test_several_files_of_prefix_lists_are_read(tmp_path: Path) -> None:
    """One command gets one list."""
    other = "pl-0fedcba9876543210"
    rules = (LISTED.rules[0], replace(LISTED.rules[0], peer=other, from_port=80, to_port=80))
    path = saved(tmp_path, described_group(replace(LISTED, rules=rules)))
    files = [saved(tmp_path, {name: ["0.0.0.0/0"]}, f"{name}.json") for name in (PL, other)]
    found = run("--file", path, "--prefix-lists", files[0], "--prefix-lists", files[1], "--format", "json")
    assert [row["peer"] for row in json.loads(found.stdout)] == [PL, other]


def test_prefix_lists_beside_the_groups_count(tmp_path: Path) -> None:
    """A snapshot of AWS Config has both."""
    item = {
        "resourceType": "AWS::EC2::PrefixList",
        "resourceId": PL,
        "configuration": {"PrefixListId": PL, "Entries": [{"Cidr": "0.0.0.0/0"}]},
    }
    found = run("--file", saved(tmp_path, {"configurationItems": [config_item(LISTED, "notification"), item]}), "--format", "json")
    assert [row["peer"] for row in json.loads(found.stdout)] == [PL]


@pytest.mark.parametrize("evil", ["pl-$(reboot)", "pl-1'; reboot; '", "pl-\x1b[2J"])
def test_no_command_is_made_of_an_id_that_ec2_did_not_give(tmp_path: Path, evil: str) -> None:
    """People paste what a tool tells them into a shell."""
    path = saved(tmp_path, described_group(replace(LISTED, rules=(replace(LISTED.rules[0], peer=evil),))))
    found = run("--file", path, "--format", "json")
    assert found.stderr.startswith("Note: prefix list pl-")
    assert "get-managed-prefix-list-entries" not in found.stderr
    assert "\x1b" not in found.stderr


def test_a_file_without_prefix_lists_is_an_error(tmp_path: Path) -> None:
    """Whoever gives one believes that the lists are known."""
    path = saved(tmp_path, config_item(LISTED))
    found = run("--file", path, "--prefix-lists", path, "--format", "json")
    assert (found.exit_code, found.stdout, found.stderr) == (1, "", f"Error: {path}: holds no prefix list with entries\n")


# What cannot be read.


def test_what_cannot_be_judged_does_not_hide_what_can(tmp_path: Path) -> None:
    """The rows are printed, and the exit status says that they are not all."""
    path = saved(tmp_path, {"SecurityGroups": [{"GroupId": "sg-1", "VpcId": VPC}, described_group(replace(GROUP, rules=RULES[2:3]))]})
    found = run("--file", path, "--format", "json")
    assert [row["from_port"] for row in json.loads(found.stdout)] == [22]
    assert found.exit_code == 1
    assert found.stderr == (
        f"Error: {path}: $.SecurityGroups[0]: sg-1: has no IpPermissions\nThe answer is not complete: it lacks what could not be judged.\n"
    )


def test_a_permission_that_cannot_be_read_does_not_hide_its_group(tmp_path: Path) -> None:
    """What stands open beside it still does, in answers of EC2 and of AWS Config; the exit status says that it is not all."""
    odd = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2}
    group = described_group(replace(GROUP, rules=RULES[2:3]))
    described = {"SecurityGroups": [group | {"IpPermissions": [odd, *group["IpPermissions"]]}]}
    item = config_item(replace(GROUP, rules=RULES[2:3]), "notification")
    configuration = item["configuration"]
    configuration = configuration | {"ipPermissions": [*configuration["ipPermissions"], {"ipProtocol": "tcp"}, 5]}
    for body, path, places in (
        (described, "$.SecurityGroups[0]", "DescribeSecurityGroups"),
        ({"configurationItems": [item | {"configuration": configuration}]}, "$.configurationItems[0]", "AWS Config"),
    ):
        found = run("--file", saved(tmp_path, body), "--format", "json")
        assert [row["from_port"] for row in json.loads(found.stdout)] == [22]
        assert found.exit_code == 1
        assert f"answer.json: {path}: {places}, " in found.stderr
        assert "names no ranges, prefix lists or groups" in found.stderr


def test_a_peer_that_is_no_network_is_told(tmp_path: Path) -> None:
    """Nobody can say what it lets in."""
    path = saved(tmp_path, described_group(replace(GROUP, rules=(replace(RULES[2], peer="anywhere"),))))
    found = run("--file", path, "--format", "json")
    assert (found.stdout, found.exit_code) == ("[]\n", 1)
    assert f"Error: {path}: {SG}: a rule from anywhere is not judged" in found.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.json", "absent.json: no such file"),
        (".", ": cannot be read: Is a directory"),
        ("other.json", "other.json: $: an object with the keys Reservations"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, message: str) -> None:
    """With what is accepted, where it is of the wrong kind."""
    saved(tmp_path, {"Reservations": []}, "other.json")
    found = run("--file", tmp_path / name, "--format", "json")
    assert (found.exit_code, found.stdout) == (1, "")
    assert message in found.stderr
    assert ("accepted are answers of describe-security-groups" in found.stderr) == (name == "other.json")


def test_hostile_names_neither_run_nor_move_the_cursor(tmp_path: Path) -> None:
    """Names of groups are free text of whoever may make one."""
    evil = replace(GROUP, name='=HYPERLINK("http://x")\x1b[2J\u202e\n', rules=RULES[2:3])
    path = saved(tmp_path, described_group(evil))
    for form in ("table", "csv", "json"):
        found = run("--file", path, "--format", form)
        assert "\x1b" not in found.stdout
        assert "\u202e" not in found.stdout
    (row,) = csv.DictReader(io.StringIO(run("--file", path, "--format", "csv").stdout))
    assert row["security_group_name"].startswith("'=HYPERLINK")
    assert "".join(open_to_csv([])).startswith("security_group_id,")
