"""The calls that change what a rule means without touching it: managed prefix lists, and tags of groups, rules and lists."""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, Kind, at, rows

_EC2 = "ec2.amazonaws.com"
_LIST = at("AWS::EC2::PrefixList", "request.prefixListId")
_ANSWERED_LIST = at("AWS::EC2::PrefixList", "response.prefixList.prefixListId")

PREFIX_LISTS: tuple[EventSpec, ...] = (
    *rows(
        "prefix_lists",
        _EC2,
        "ModifyManagedPrefixList RestoreManagedPrefixListVersion DeleteManagedPrefixList",
        Kind.PREFIX_LIST,
        _LIST,
        _ANSWERED_LIST,
    ),
    *rows("prefix_lists", _EC2, "CreateManagedPrefixList", Kind.PREFIX_LIST, _ANSWERED_LIST),
)

TAGS: tuple[EventSpec, ...] = rows("tags", _EC2, "CreateTags DeleteTags", Kind.TAGS)

TAGGED_TYPES = (("sg-", "AWS::EC2::SecurityGroup"), ("sgr-", "AWS::EC2::SecurityGroupRule"), ("pl-", "AWS::EC2::PrefixList"))
"""The resources whose tags are watched: beginning of the id, and type. Tags of anything else are not ours to record."""
