"""Prometheus and Alertmanager of the Compose file: the examples of deploy/prometheus with its addresses, and receivers that tell nobody."""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = "# Generated from deploy/prometheus/{name} by `make generate`; edit that instead.\n"
_ADDRESSES = {"localhost:9093": "alertmanager:9093", "localhost:10893": "exporter:10893"}


def compose_prometheus(examples: Path) -> str:
    """Return the example for Prometheus, whose targets are containers."""
    text = _body(examples / "prometheus.yml")
    for local, container in _ADDRESSES.items():
        if text.count(local) != 1:
            raise ValueError(
                f"{examples / 'prometheus.yml'}: {local} stands there {text.count(local)} times; the Compose file needs it once"
            )
        text = text.replace(local, container)
    return _HEAD.format(name="prometheus.yml") + text


def compose_alertmanager(examples: Path) -> str:
    """Return the example for Alertmanager, whose receivers have their names alone: what would be sent is seen on its page."""
    routes, _, receivers = _body(examples / "alertmanager.yml").partition("\nreceivers:\n")
    names = re.findall(r"^  - name: (\S+)$", receivers, re.MULTILINE)
    if not names:
        raise ValueError(f"{examples / 'alertmanager.yml'}: has no section `receivers` at its end whose entries begin with their names")
    # Mail is sent by nobody here.
    routes = re.sub(r"^global:\n(?:  .*\n)+\n?", "", routes, flags=re.MULTILINE)
    silent = "\n# They tell nobody: http://127.0.0.1:9093 shows what they would.\nreceivers:\n"
    return _HEAD.format(name="alertmanager.yml") + routes + silent + "".join(f"  - name: {name}\n" for name in names)


def _body(path: Path) -> str:
    """Return a file without the comment at its head, which tells how to merge it."""
    return re.sub(r"\A(?:#.*\n)+", "", path.read_text(encoding="utf-8"))
