"""The bill of materials of the image, from made-up metadata; tests/test_image.py holds that of the real image to what is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tools.sbom import debian, document

MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def install(site: Path, name: str, version: str = "1.0", *lines: str) -> None:
    """Write the metadata of a distribution as an installer does."""
    place = site / f"{name}-{version}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, "", "Text."]))


def bill(site: Path) -> dict:
    """Return the document about the product among what is installed."""
    return document("a-product", list(distributions(path=[str(site)])), [], MOMENT)


def test_edges_are_what_is_asked_for_and_there(tmp_path):
    """Otherwise whoever looks for the way a hole came in follows one that does not exist."""
    install(
        tmp_path, "A_Product", "1.0", "Requires-Dist: Needed.One>=1", 'Requires-Dist: old; python_version < "3"', "Requires-Dist: absent",
        "Provides-Extra: sql", 'Requires-Dist: duck; extra == "sql"', "Provides-Extra: more",
        'Requires-Dist: needed-one; extra == "more"', 'Requires-Dist: lacking; extra == "more"', 'Requires-Dist: old; extra == "more"',
    )  # fmt: skip
    for name in ("needed_one", "old", "duck"):
        install(tmp_path, name)
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill(tmp_path)["dependencies"]}
    assert edges.pop("pkg:pypi/a-product@1.0") == ["pkg:pypi/duck@1.0", "pkg:pypi/needed-one@1.0"]
    assert set(map(tuple, edges.values())) == {()}


@pytest.mark.parametrize(
    ("lines", "licences"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: MIT"], [{"expression": "MIT OR Apache-2.0"}]),
        (["License: MIT"], [{"license": {"name": "MIT"}}]),
        (
            ["License: " + "Permission is hereby granted " * 20, "Classifier: License :: OSI Approved :: MIT License"],
            [{"license": {"name": "MIT License"}}],
        ),
        (["Classifier: Topic :: Security"], None),
    ],
)
def test_licences_are_named_where_the_metadata_name_them(tmp_path, lines, licences):
    """Otherwise a licence stands in the bill as a page of text, or one that was never given does."""
    install(tmp_path, "a_product", "1.0", *lines)
    assert bill(tmp_path)["metadata"]["component"].get("licenses") == licences


def test_the_same_installation_gives_the_same_bill_whatever_its_order(tmp_path):
    """Otherwise two builds of one source differ."""
    for name in ("zeta", "a_product", "beta"):
        install(tmp_path, name)
    found = list(distributions(path=[str(tmp_path)]))
    one, other = (document("a-product", order, [], MOMENT) for order in (found, found[::-1]))
    assert one == other
    assert one["metadata"]["timestamp"] == "2026-01-31T12:00:00Z"
    assert [component["name"] for component in one["components"]] == ["beta", "zeta"]


def test_packages_of_debian_are_named_as_scanners_look_them_up():
    """Otherwise no scanner finds the hole in OpenSSL, because its name in the bill is nobody's."""
    lines = [
        "ii \tlibssl3t64\t3.5.1-1+deb13u1\tamd64\tDebian OpenSSL Team <team@example.com>",
        "rc \tgone\t1\tall\tNobody <nobody@example.com>",
    ]
    assert debian(lines, {"ID": "debian", "VERSION_ID": "13"}) == [
        {
            "type": "library",
            "bom-ref": "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1?arch=amd64&distro=debian-13",
            "name": "libssl3t64",
            "version": "3.5.1-1+deb13u1",
            "purl": "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1?arch=amd64&distro=debian-13",
            "supplier": {"name": "Debian OpenSSL Team"},
        }
    ]


def test_a_directory_without_the_product_is_refused(tmp_path):
    """Otherwise a bill of something else is shipped."""
    install(tmp_path, "other")
    with pytest.raises(SystemExit, match="a-product is not installed"):
        bill(tmp_path)
