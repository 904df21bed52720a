"""What Grafana asks of Prometheus when somebody looks at a dashboard: choices and macros put into its JSON as Grafana 11 does it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

Json = dict[str, Any]
Labels = dict[str, str]

ALL = "$__all"
WIDTH = 800
"""Pixels of a panel of half the width of a screen; Grafana asks for a point a pixel where a panel does not say how many it wants."""
MOST_POINTS = 11_000
"""Prometheus answers no more points of one series; Grafana makes the steps longer where there would be more."""

# Grafana's rangeUtil.roundInterval: what is less than the first becomes the second, in milliseconds.
_ROUND = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000), (7_500, 5_000),
    (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000), (450_000, 300_000),
    (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000), (5_400_000, 3_600_000),
    (9_000_000, 7_200_000), (16_200_000, 10_800_000), (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000), (3_628_800_000, 2_592_000_000),
)  # fmt: skip
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_VARIABLE = re.compile(r"\$(?!\d)(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]")
_LABEL_VALUES = re.compile(r"^label_values\((?:(.+),\s*)?([a-zA-Z_]\w*)\)\s*$", re.DOTALL)
_QUERY_RESULT = re.compile(r"^query_result\((.+)\)\s*$", re.DOTALL)
_REGEX_SIGNS = re.compile(r"[$^*{}\[\]'+?.()|]")


def milliseconds(duration: str) -> int:
    """Return the length of a duration as Grafana writes it (`30s`, `1m`, `>1m`)."""
    match = re.fullmatch(r">?(\d+)(ms|[smhdw])", duration)
    assert match, duration
    return int(match[1]) * _UNITS[match[2]]


def _spelled(length_ms: int) -> str:
    return f"{length_ms // 1000}s" if length_ms % 1000 == 0 else f"{length_ms}ms"


def rounded(length_ms: float) -> int:
    """Return the length of a step that Grafana takes for one of about this length."""
    return next((result for bound, result in _ROUND if length_ms < bound), 31_536_000_000)


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield all panels that are no rows, those of collapsed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels") or ()
        else:
            yield panel


def variables(dashboard: Json) -> Iterator[Json]:
    """Yield the variables that ask Prometheus for their values."""
    return (variable for variable in dashboard["templating"]["list"] if variable["type"] == "query")


def of_one(dashboard: Json, choices: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return those of the choices that a dashboard cannot do without: of variables that have one value, and never all."""
    single = {variable["name"] for variable in variables(dashboard) if not variable["multi"]}
    return {name: values for name, values in choices.items() if name in single}


class Refused(Exception):
    """Prometheus answered a query with an error."""


@dataclass
class Prometheus:
    """A Prometheus by its address; what it is asked is counted in `stats` where these are wanted."""

    url: str
    seconds: float = 60

    def get(self, path: str, parameters: Iterable[tuple[str, object]]) -> Any:
        """Return the data of an answer; raises Refused with Prometheus' own words."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(list(parameters))}", timeout=self.seconds) as answer:
                body = json.loads(answer.read())
        except OSError as error:
            # The body of an answer with status 400 or 422 says what is wrong.
            said = error.read().decode() if hasattr(error, "read") else str(error)
            raise Refused(said) from error
        return body["data"]


@dataclass(frozen=True)
class Asked:
    """One query of a panel as it is sent: an instant query at `end`, or a range query in steps. Times and steps are seconds."""

    expr: str
    instant: bool
    start: float
    end: float
    step: float

    def ask(self, prometheus: Prometheus) -> list[Json]:
        """Return the series of the answer, each with `metric` and `value` or `values`."""
        return list(self.data(prometheus)["result"])

    def data(self, prometheus: Prometheus, *, stats: bool = False) -> Json:
        """Return the whole answer, with what it cost where asked for; Grafana waits for it for half a minute."""
        more: list[tuple[str, object]] = [("timeout", "30s"), *([("stats", "all")] if stats else [])]
        if self.instant:
            return dict(prometheus.get("query", [("query", self.expr), ("time", self.end), *more]))
        times: list[tuple[str, object]] = [("start", self.start), ("end", self.end), ("step", self.step)]
        return dict(prometheus.get("query_range", [("query", self.expr), *times, *more]))


class View:
    """A look at a dashboard: a range that ends at `end`, and the values of its variables.

    `values` are choices by variable; what is not chosen is what the dashboard opens with: its own default, or the first value that
    Prometheus has. `scrape` is the scrape interval that the data source is told of. `begun` asks for the step of a graph that has begun,
    too: Grafana shows a step when it is over, and a test need not wait for that.
    """

    def __init__(
        self,
        dashboard: Json,
        prometheus: Prometheus,
        end: float,
        seconds: float,
        values: Mapping[str, Sequence[str]] | None = None,
        scrape: str = "15s",
        *,
        begun: bool = False,
    ) -> None:
        self._begun = begun
        self.dashboard, self.prometheus, self.end, self.seconds, self._scrape = dashboard, prometheus, end, seconds, milliseconds(scrape)
        self._variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
        self.values: dict[str, list[str]] = {}
        self.options: dict[str, list[str]] = {}
        for variable in variables(dashboard):
            name = variable["name"]
            self.options[name] = self._options(variable)
            chosen = list((values or {}).get(name, ())) or self._default(variable)
            self.values[name] = chosen

    def _default(self, variable: Json) -> list[str]:
        current = variable.get("current", {}).get("value")
        if current:
            return [current] if isinstance(current, str) else list(current)
        return self.options[variable["name"]][:1]

    def _options(self, variable: Json) -> list[str]:
        """Return the values that a variable offers, without All."""
        text = self.expr(variable["query"]["query"], self._interval({}))
        start, end = self.end - self.seconds, self.end
        if match := _LABEL_VALUES.match(text):
            selector = [("match[]", match[1])] if match[1] else []
            found = list(self.prometheus.get(f"label/{match[2]}/values", [*selector, ("start", start), ("end", end)]))
        elif match := _QUERY_RESULT.match(text):
            samples = self.prometheus.get("query", [("query", match[1]), ("time", end)])["result"]
            found = [_as_text(sample["metric"], sample["value"]) for sample in samples]
        else:
            raise AssertionError(f"variable {variable['name']}: no such kind of query here: {text}")
        if pattern := variable.get("regex"):
            hits = [re.search(pattern.strip("/").replace("(?<", "(?P<"), text) for text in found]
            found = [hit["value"] if "value" in hit.groupdict() else hit[1] if hit.groups() else hit[0] for hit in hits if hit]
        return sorted(set(found))

    def _interval(self, panel: Json, least: str | None = None) -> int:
        """Return `$__interval` of a panel, in milliseconds: its range in as many steps as it wants points, rounded, no less than its least."""
        shortest = milliseconds(least or panel.get("interval") or _spelled(self._scrape))
        length = max(shortest, rounded(self.seconds * 1000 / (panel.get("maxDataPoints") or WIDTH)))
        return max(length, rounded(self.seconds * 1000 / MOST_POINTS))

    def expr(self, text: str, interval: int) -> str:
        """Return PromQL with macros and choices put in; `interval` is that of the panel, in milliseconds."""
        macros = {
            "__interval": _spelled(interval),
            "__interval_ms": str(interval),
            "__rate_interval": _spelled(max(interval + self._scrape, 4 * self._scrape)),
            "__range": f"{round(self.seconds)}s",
            "__range_s": str(round(self.seconds)),
            "__range_ms": str(round(self.seconds * 1000)),
        }

        def value(match: re.Match[str]) -> str:
            name, form = match[1] or match[2] or match[4], match[3] or match[5] or ""
            return macros[name] if name in macros else self._chosen(name, form)

        return _VARIABLE.sub(value, text)

    def _chosen(self, name: str, form: str) -> str:
        """Return a choice in PromQL; a name that is no variable raises, where Grafana would let it stand."""
        variable, chosen = self._variables[name], self.values[name]
        if chosen == [ALL]:
            if every := variable.get("allValue"):
                return str(every)
            chosen = self.options[name]
        several = variable.get("multi") or variable.get("includeAll")
        if not several and not form:
            return chosen[0].replace("\\", "\\\\").replace('"', '\\"') if chosen else ""
        assert form in {"", "regex"}, f"${{{name}:{form}}} is no form for PromQL"
        escaped = [_REGEX_SIGNS.sub(r"\\\\\g<0>", one.replace("\\", "\\\\\\\\")).replace('"', '\\"') for one in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    def asked(self, panel: Json) -> dict[str, Asked]:
        """Return what a panel asks, by the letter of its queries."""
        return {target["refId"]: self._asked(target, panel) for target in panel.get("targets", ())}

    def _asked(self, target: Json, panel: Json) -> Asked:
        step = self._interval(panel, target.get("interval"))
        return self._sent(self.expr(target["expr"], step), bool(target.get("instant")), step)

    def _sent(self, expr: str, instant: bool, step_ms: int) -> Asked:
        # Steps stand at whole multiples of their length, so that a graph does not flicker when it is asked for anew.
        step = step_ms / 1000
        start, end = ((time // step) * step for time in (self.end - self.seconds, self.end))
        end += step if self._begun else 0
        return Asked(expr, instant, start, self.end if instant else end, step)

    def marks(self, annotation: Json) -> Asked:
        """Return what the marks on the graphs ask."""
        step = self._interval({}, annotation.get("step") or "60s")
        return self._sent(self.expr(annotation["expr"], step), instant=False, step_ms=step)


def _as_text(labels: Labels, value: Sequence[Any]) -> str:
    """Return a sample as Grafana's query_result() shows it to the pattern of a variable."""
    name = labels.get("__name__", "")
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items() if key != "__name__")
    return f"{name}{{{inside}}} {value[1]} {round(float(value[0]) * 1000)}"
