"""How one line of the page is spelled, in the Prometheus text format 0.0.4 and in OpenMetrics 1.0.0.

Label values are text that strangers chose. Both formats allow any UTF-8 and ask for three escapes (backslash, quote,
line feed); what else could confuse a reader that splits lines its own way is written as a visible `\\uXXXX`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OPENMETRICS_END = b"# EOF\n"

_EXEMPLAR_CHARACTERS = 128
"""OpenMetrics 1.0.0, "Exemplars": names and values of the label set together."""

# All that str.splitlines() and terminals take for more than text (line feed has an escape of its own), what UTF-8
# cannot carry, and what already looks like our spelling of it.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\\\u[0-9a-f]{4}")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def label_value(value: str) -> str:
    """Return a label value as it stands between the quotes; two different values never become one."""
    if value.isprintable() and '"' not in value and "\\" not in value:
        return value
    if _UNSAFE.search(value):
        # The backslash is doubled exactly where `\uXXXX` occurs, so that no other value spells the same: a series that
        # stood twice on the page would cost Prometheus the sample, or the scrape.
        value = _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", value.replace("\\", "\\\\"))
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def prefix(name: str, labels: Sequence[str], values: Sequence[str]) -> bytes:
    """Return all of a sample line that never changes: name, labels and the space before the value."""
    if not labels:
        return f"{name} ".encode()
    pairs = ",".join([f'{label}="{label_value(value)}"' for label, value in zip(labels, values, strict=True)])
    return f"{name}{{{pairs}}} ".encode()


def number(value: float) -> str:
    """Return a value: whole numbers in all their digits, no exponent for any time or count."""
    if value.is_integer():
        return str(int(value))
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def header(name: str, kind: str, text: str, openmetrics: bool) -> bytes:
    """Return the HELP and TYPE lines of a family; a counter's family name has no `_total` in OpenMetrics."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
        if kind == "counter":
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def exemplar(event_id: str, event_time: float | None) -> str:
    """Return the OpenMetrics exemplar that names the event behind a count, empty where it would be too long."""
    if len("event_id") + len(event_id) > _EXEMPLAR_CHARACTERS:
        return ""
    moment = "" if event_time is None else f" {number(event_time)}"
    return f' # {{event_id="{label_value(event_id)}"}} 1{moment}'
