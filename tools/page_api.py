"""docs/api.md, from the records that serve the API and the schemas that its answers are held against."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from exporter.web.api import ENDPOINTS
from exporter.web.api.endpoint import Endpoint
from exporter.web.api.events import MAX_BYTES
from exporter.web.api.filters import DEFAULT_LIMIT, MAX_LIMIT
from exporter.web.api.openapi import PROBLEMS
from exporter.web.api.parameters import MOST_VALUES, Parameter
from exporter.web.api.schemas import SCHEMAS
from exporter.web.http import MAX_FIELDS, MAX_QUERY
from tools.markdown import code, notice, page, table

BASE = "http://localhost:10893"

INTRODUCTION = """
JSON over HTTP: what the store knows, for programs. It only reads, and calls AWS for `…/config-items` alone. `/api/v1/openapi.json`
describes it for generators of clients (OpenAPI 3.1); this page and that description are made from the code that serves, and Schemathesis
holds the one against the other. Who may ask is decided for all of the exporter's pages together.

A name may hold whatever somebody called it: read every text as text. All JSON is ASCII, with escapes. What is not known is null, never left
out; a member may be added in any version, and none is renamed or removed within `/api/v1`.
"""

RULES = f"""
**Pages.** Newest first, {DEFAULT_LIMIT} events unless `limit` says otherwise ({MAX_LIMIT} at most), and fewer where their rows would be
longer than {MAX_BYTES >> 20} MiB together. `next` is the `cursor` of the page behind; it is null, and there is no `Link`, after the last.
The header `Link: <?…>; rel="next"` has the whole query string, in which a relative time such as `90d` stands as the moment it was on the
first page. No event is shown twice or left out while others are stored; of those that are stored meanwhile, the ones that happened after
what was already read are on none of the pages. A cursor stays valid where its event is pruned.

**Entity tags.** Every answer has an `ETag`; sent back as `If-None-Match` it gets `304` while nothing changed. Of a search without relative
times nothing is looked for then. `Cache-Control` is `no-cache`: keep the answer, and ask before it is used again.

**Compression.** gzip for whoever sends `Accept-Encoding: gzip`, of answers of 1 KiB or more.

**Errors** are `application/problem+json` (RFC 9457). With 400, `errors` names every parameter that is wrong and what is allowed. A
parameter that does not exist is an error: an answer to a filter that was dropped would be of everything.

**Bounds.** A query string of {MAX_QUERY} bytes and {MAX_FIELDS} parameters, the same one {MOST_VALUES} times.
"""

EXAMPLES = f"""
```
# Who opened this group in the last 90 days, and exactly what?
curl -sS '{BASE}/api/v1/events?security_group_id=sg-0123456789abcdef0&event_name=Authorize*&since=90d' |
  jq -r '.events[] | [.event_time, .principal.name, .principal.source_ip, (.rule_changes[] | .peer)] | @tsv'

# Every page of all denied calls, by the links
url='{BASE}/api/v1/events?outcome=denied&limit=1000'
while [ -n "$url" ]; do
  curl -sS -D headers "$url"
  query=$(sed -n 's/^Link: <\\(.*\\)>; rel="next".*/\\1/p' headers)
  url=${{query:+{BASE}/api/v1/events$query}}
done

# What is public now, but nobody agreed to
curl -sS '{BASE}/api/v1/open?exposure=public&excepted=false' |
  jq '.open[] | {{security_group_id, protocol, from_port, to_port, since, by}}'

# Again, only if something changed: an answer with the same entity tag is not sent
curl -sS --etag-save tag --etag-compare tag -o open.json '{BASE}/api/v1/open'
```
"""


def api_page() -> str:
    """Return the page: how to ask, every endpoint, every schema."""
    return page(
        notice("exporter/web/api"),
        "# API",
        INTRODUCTION,
        table(
            ("Path", "Answers", "What"),
            ((code(endpoint.path), f"[{endpoint.answers}](#{endpoint.answers.lower()})", endpoint.summary + ".") for endpoint in ENDPOINTS),
        ),
        "## Asking",
        RULES,
        table(("Status", "Meaning"), ((code(status), text) for status, text in sorted({**PROBLEMS, "404": _MISSING, **_OF_AWS}.items()))),
        "## Examples",
        EXAMPLES,
        "## Endpoints",
        *(block for endpoint in ENDPOINTS for block in endpoint_blocks(endpoint)),
        "## Answers",
        *(block for name, schema in SCHEMAS.items() for block in schema_blocks(name, schema)),
    )


_MISSING = "There is no such event, group or principal; or no such path."
_OF_AWS = {"502": "AWS refused or failed, where AWS is asked.", "504": "AWS did not answer in time."}


def endpoint_blocks(endpoint: Endpoint) -> Iterator[str]:
    """Yield what there is to know of one endpoint."""
    yield f"### GET {endpoint.path}"
    yield endpoint.description + (f" 404: {endpoint.missing}" if endpoint.missing else "")
    rows = [parameter_row(parameter) for parameter in endpoint.parameters]
    if rows:
        yield table(("Parameter", "Meaning", "Allowed"), rows)
    yield "```\n" + "\n".join(f"curl -sS {shlex.quote(BASE + example)}" for example in endpoint.examples) + "\n```"


def parameter_row(parameter: Parameter) -> tuple[str, str, str]:
    """Return the row of one parameter."""
    notes = [parameter.allowed]
    if parameter.repeated:
        notes.append("may be repeated")
    if parameter.required:
        notes.append("required")
    if parameter.default is not None:
        notes.append(f"{parameter.default} by default")
    return code(parameter.name), parameter.description, "; ".join(notes)


def schema_blocks(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of one schema; those of objects within it with a dot before."""
    yield f"### {name}"
    yield schema["description"]
    rows = list(member_rows("", schema))
    if rows:
        yield table(("Member", "Type", "Meaning"), rows)


def member_rows(prefix: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each member, those of objects and lists within it after theirs."""
    for name, member in schema.get("properties", {}).items():
        yield code(prefix + name), kind(member), member.get("description", "")
        if "properties" in member:
            yield from member_rows(f"{prefix}{name}.", member)
        elif "properties" in member.get("items", {}):
            yield from member_rows(f"{prefix}{name}[].", member["items"])


def kind(schema: Mapping[str, Any]) -> str:
    """Return what a value is, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join("null" if each == {"type": "null"} else kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join("null" if value is None else code(str(value)) for value in schema["enum"])
    names = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    said = {"string": "time", "null": "null"} if schema.get("format") == "date-time" else {}
    if "array" in names and "properties" not in schema["items"]:
        said["array"] = f"list of {kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        said["object"] = f"object of {kind(schema['additionalProperties'])}"
    return " or ".join(said.get(each, each) for each in names)
