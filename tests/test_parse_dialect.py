"""Reading JSON of which neither dialect nor types can be trusted."""

from __future__ import annotations

import pytest

from exporter.parse.dialect import as_list, follow, lowered, text, truth, unwrapped


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (None, []),
        ("", []),
        ({}, []),
        ([], []),
        ({"items": []}, []),
        ({"items": {"a": 1}}, [{"a": 1}]),
        ({"Item": [1, 2]}, [1, 2]),
        ({"member": ["x"]}, ["x"]),
        ({"a": 1}, [{"a": 1}]),
        ([1], [1]),
        ("x", ["x"]),
        (0, [0]),
        (False, [False]),
    ],
)
def test_a_list_in_any_form_is_a_list(value: object, elements: list[object]) -> None:
    """One dialect has items, the other bare objects, and both have ways to say nothing."""
    assert list(as_list(value)) == elements


def test_a_list_is_bounded() -> None:
    """No record of 256 kB holds more."""
    assert len(as_list([0] * 30_000)) == len(as_list({"items": [0] * 30_000})) == 20_000


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("x", "x"),
        ("", None),
        (None, None),
        ([], None),
        ({}, None),
        (True, "true"),
        (False, "false"),
        (-1, "-1"),
        (0, "0"),
        (6.0, "6"),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        (10**4000, "0x" + f"{10**4000:x}"[:254]),
        ({"tag": 1, "content": "x"}, "x"),
        ({"tag": 1, "Content": 5}, "5"),
        ({"content": {"content": "x"}}, None),
        ("x" * 300, "x" * 256),
        ("a\ud800b", "a\ufffdb"),
        ("caf\u00e9\n", "caf\u00e9\n"),
    ],
)
def test_a_scalar_is_text(value: object, spelled: str | None) -> None:
    """Values are coerced on their way, and text may hold what UTF-8 cannot."""
    assert text(value) == spelled


def test_a_wrapper_is_taken_off_where_it_is_one() -> None:
    """An API parameter may itself end in Request; only a lone object is a wrapper."""
    suffixes = ("request", "req")
    assert unwrapped({"DelTGwVpcAttachReq": {"A": 1}}, suffixes) == {"a": 1}
    assert unwrapped({"CreateThingRequest": ""}, suffixes) == {}
    assert unwrapped({"spotRequest": "x"}, suffixes) == {"spotrequest": "x"}
    assert unwrapped({"XRequest": {}, "b": 1}, suffixes) == {"xrequest": {}, "b": 1}
    assert unwrapped(["x"], suffixes) == {}


def test_a_path_passes_through_lists() -> None:
    """Catalog rows leave out `items`."""
    body = lowered({"instancesSet": {"items": [{"InstanceId": "i-1"}, {"instanceId": {"content": "i-2"}}, 5, {"instanceId": []}]}})
    assert follow(body, ("instancesset", "instanceid")) == ["i-1", "i-2"]
    assert follow(body, ("nothing", "instanceid")) == []


@pytest.mark.parametrize(("value", "meant"), [(True, True), ("True", True), ("false", False), ("yes", None), (1, None), (None, None)])
def test_a_boolean_may_have_become_text(value: object, meant: bool | None) -> None:
    """`readOnly` is a boolean in records and text in LookupEvents."""
    assert truth(value) is meant
