"""The link of an alert to the exporter's history page."""

from __future__ import annotations

# The exporter tells its own address (web.external_url in its configuration). Where that is not set, this is the address that Prometheus
# scrapes, which may not open in a browser.
HISTORY_URL = (
    '{{ with printf "awschange_exporter_web_info{external_url!=\\"\\"} and on (job, instance) awschange_events_total{account_id=%q,region=%q}" '
    '$labels.account_id $labels.region | query }}{{ . | first | label "external_url" | reReplaceAll "/+$" "" }}{{ else }}'
    '{{ with printf "awschange_events_total{account_id=%q,region=%q}" $labels.account_id $labels.region | query }}'
    'http://{{ . | first | label "instance" }}{{ end }}{{ end }}'
    "/history?account_id={{ $labels.account_id | urlquery }}&region={{ $labels.region | urlquery }}"
)
"""A Go template of Prometheus, for the labels account_id and region."""
