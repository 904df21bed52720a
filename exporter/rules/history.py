"""The link of an alert to the exporter's history page."""

from __future__ import annotations

# The exporter tells its own address (web.external_url in its configuration). Where that is not set, this is the address that Prometheus
# scrapes, which may not open in a browser. Of the exporters that watch the account (and region, if the alert is about one), any will do.
HISTORY_URL = (
    '{{ $watched := printf "awschange_events_total{account_id=%q,region=~%q}" $labels.account_id (or $labels.region ".+") }}'
    '{{ with printf "awschange_exporter_web_info{external_url!=\\"\\"} and on (job, instance) %s" $watched | query }}'
    '{{ . | first | label "external_url" | reReplaceAll "/+$" "" }}{{ else }}'
    '{{ with query $watched }}http://{{ . | first | label "instance" }}{{ end }}{{ end }}'
    "/history?account_id={{ $labels.account_id | urlquery }}"
    "{{ with $labels.region }}&region={{ . | urlquery }}{{ end }}"
    "{{ with $labels.security_group_id }}&security_group_id={{ . | urlquery }}{{ end }}"
    "{{ with $labels.principal }}&principal={{ . | urlquery }}{{ end }}"
)
"""A Go template of Prometheus, for the labels account_id, region, security_group_id and principal, as far as the alert has them."""
