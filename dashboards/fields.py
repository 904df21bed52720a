"""Colours, names and links of values, in panels and in columns alike."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import dashboard as grafana

from dashboards.record import Color, Link, Step, Texts


def thresholds(steps: Sequence[Step], base: Color = "text") -> grafana.ThresholdsConfig:
    """Return thresholds; below the first is the base colour."""
    return grafana.ThresholdsConfig(
        grafana.ThresholdsMode.ABSOLUTE, [grafana.Threshold(None, base), *(grafana.Threshold(step.value, step.color) for step in steps)]
    )


def data_links(links: Sequence[Link]) -> list[grafana.DashboardLink]:
    """Return links of values. Grafana reads title, url and targetBlank of them."""
    return [grafana.DashboardLink(link.title, url=link.url, target_blank=link.url.startswith("${exporter_url}")) for link in links]


def mappings(texts: Texts) -> list[grafana.ValueMapping]:
    """Return what values are called, and the colour of each."""
    if not texts:
        return []
    named = {value: grafana.ValueMappingResult(text, color, index=place) for place, (value, text, color) in enumerate(texts)}
    return [grafana.ValueMap(named)]
