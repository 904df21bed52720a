"""A store file of schema 1, made by hand with SQL that never changes: what is in the field must stay readable."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

EVENT_ID = "11111111-2222-4333-8444-555555555555"
DICTIONARY = b'{"eventVersion":"1.05","eventName":"AuthorizeSecurityGroupIngress"}'
DETAILS = (
    b'[["sg-0123456789abcdef0"],[["AWS::EC2::SecurityGroup","sg-0123456789abcdef0"]],'
    b'[["added",["ingress",null,"tcp",998,998,"ipv4","192.168.0.0/32",null],null]],null,[],null]'
)
RAW = b'{"eventVersion":"1.05","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{}}'

# Number, first 8 bytes of blake2b with digest_size 8 as a signed number, text.
STRINGS = (
    (1, -6129415475016893644, "111122223333"),
    (2, -4887432597350008506, "us-east-1"),
    (3, 3128052769809283609, "ec2.amazonaws.com"),
    (4, 1444393987038054252, "AuthorizeSecurityGroupIngress"),
    (5, -8575171311998375615, "security_groups"),
    (6, 3461421446353845677, "role"),
    (7, 734132555006562588, "role/Bob"),
    (8, 7861339381458945363, "arn:aws:sts::111122223333:assumed-role/Bob/Bob"),
    (9, 1320564710479417831, "Bob"),
    (10, -4083561877465755301, "success"),
    (11, -3613243084288722625, "console"),
    (12, 8608436383545754927, "198.51.100.7"),
    (13, -559516884536065794, "console.ec2.amazonaws.com"),
    (14, -7171875490985200139, '["files"]'),
    (15, -62633326834241525, "sg-0123456789abcdef0"),
    (16, -2870609316354031226, "awschange_channel_events_total"),
    (17, 779704993798281415, "awschange_retired_total"),
)

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE strings (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX strings_by_hash ON strings (hash);
CREATE TABLE units (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, region INTEGER NOT NULL, UNIQUE (account_id, region));
CREATE TABLE calls (id INTEGER PRIMARY KEY, event_source INTEGER NOT NULL, event_name INTEGER NOT NULL, watch_set INTEGER NOT
    NULL, UNIQUE (event_source, event_name, watch_set));
CREATE TABLE principals (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, name INTEGER NOT NULL, arn INTEGER NOT NULL, session
    INTEGER NOT NULL, account_id INTEGER NOT NULL, invoked_by INTEGER NOT NULL, UNIQUE (type, name, arn, session, account_id,
    invoked_by));
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, live_since INTEGER NOT NULL);
CREATE TABLE cursors (source TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID;
CREATE TABLE seen (id INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE, fingerprint BLOB NOT NULL, addendum INTEGER NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, event_time INTEGER NOT NULL, recorded_at INTEGER NOT NULL, unit INTEGER NOT NULL,
    call INTEGER NOT NULL, principal INTEGER NOT NULL, outcome INTEGER NOT NULL, channel INTEGER NOT NULL, error_code INTEGER NOT
    NULL, source_ip INTEGER NOT NULL, user_agent INTEGER NOT NULL, sources INTEGER NOT NULL, flags INTEGER NOT NULL);
CREATE INDEX events_by_time ON events (event_time);
CREATE TABLE touched (string INTEGER NOT NULL, event_time INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (string,
    event_time, event)) WITHOUT ROWID;
CREATE TABLE touched_rules (hash INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (hash, event)) WITHOUT ROWID;
CREATE TABLE blocks (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, dictionary INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE dictionaries (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE series (id INTEGER PRIMARY KEY, family INTEGER NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL CHECK (value
    BETWEEN -9007199254740992 AND 9007199254740992), event_id BLOB, event_time INTEGER, exposed_at INTEGER, revision INTEGER NOT
    NULL, UNIQUE (family, labels));
CREATE INDEX series_by_revision ON series (revision);
"""


def build(path: Path) -> Path:
    """Write a file with one event of 2019, its series, a unit, a source and a cursor; return its path."""
    compressor = zlib.compressobj(zdict=DICTIONARY)
    lengths = len(DETAILS).to_bytes(4, "little") + len(RAW).to_bytes(4, "little")
    block = compressor.compress(lengths + DETAILS + RAW) + compressor.flush()
    key = bytes.fromhex(EVENT_ID.replace("-", ""))
    moment = 1_564_989_391_000_000  # 2019-08-05T07:16:31Z
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in TABLES.strip().split(";\n"):
        connection.execute(statement)
    connection.executemany("INSERT INTO strings VALUES (?, ?, ?)", STRINGS)
    for statement, values in (
        ("INSERT INTO meta VALUES ('revision', ?), ('events', 1), ('families', 'of another version')", (7,)),
        ("INSERT INTO units VALUES (1, 1, 2)", ()),
        ("INSERT INTO calls VALUES (1, 3, 4, 5)", ()),
        ("INSERT INTO principals VALUES (1, 6, 7, 8, 9, 1, 0)", ()),
        ("INSERT INTO sources VALUES (1, 'files', ?)", (0,)),
        ("INSERT INTO cursors VALUES ('files', 'trail.json', '42')", ()),
        ("INSERT INTO seen VALUES (1, ?, x'00112233445566778899aabbccddeeff', 0)", (key,)),
        ("INSERT INTO events VALUES (1, ?, ?, 1, 1, 1, 10, 11, 0, 12, 13, 14, 3)", (moment, moment)),
        ("INSERT INTO touched VALUES (15, ?, 1)", (moment,)),
        ("INSERT INTO dictionaries VALUES (1, ?)", (DICTIONARY,)),
        ("INSERT INTO blocks VALUES (1, 1, 1, ?)", (block,)),
        ("INSERT INTO series VALUES (1, 16, '1,2,11', 1.0, ?, ?, 1564989400000000, 7)", (key, moment)),
        ("INSERT INTO series VALUES (2, 17, '1,2', 5.0, NULL, NULL, NULL, 6)", ()),
    ):
        connection.execute(statement, values)
    connection.execute("PRAGMA application_id = 1096237893")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    return path
