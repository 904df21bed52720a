"""ListObjectsV2's answer, read: about ten times less work than botocore's parser makes of it."""

from __future__ import annotations

from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from exporter.aws.base import ListedObject, ObjectPage


def tree(body: bytes) -> ET.Element:
    """Return the root of an XML document of AWS; raise ValueError where it is none, or declares a type (entities that grow)."""
    # As text the parser trusts no encoding of the document's own, behind which a declaration could hide.
    text = body.decode()
    if "<!DOCTYPE" in text:
        raise ValueError("the document declares a type, which none of AWS does")
    try:
        return ET.fromstring(text)  # noqa: S314 - no declarations, so no entities
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from None


def read_page(body: bytes) -> ObjectPage:
    """Return a page of a listing that was asked for with encoding-type=url; raise ValueError where it is none."""
    root = tree(body)
    space, _, kind = root.tag.rpartition("}")
    if kind != "ListBucketResult":
        raise ValueError(f"a {kind!r:.40} instead of a listing")
    space += "}" if space else ""
    decode = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    key_tag, size_tag = f"{space}Key", f"{space}Size"
    objects = []
    for item in root.iterfind(f"{space}Contents"):
        key, size = item.findtext(key_tag), item.findtext(size_tag)
        if key is None or size is None or not size.isdecimal():
            raise ValueError("an object without key or size")
        objects.append(ListedObject(decode(key), int(size)))
    prefixes = [decode(item.findtext(f"{space}Prefix", "")) for item in root.iterfind(f"{space}CommonPrefixes")]
    more = root.findtext(f"{space}IsTruncated") == "true"
    token = root.findtext(f"{space}NextContinuationToken") if more else None
    if more and not token:
        raise ValueError("a page that says more follows, without the token of the next")
    return ObjectPage(objects, prefixes, token)
