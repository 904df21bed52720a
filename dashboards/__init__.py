"""The Grafana dashboards as code; grafana/*.json is generated from them."""
