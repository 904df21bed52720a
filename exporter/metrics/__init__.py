"""/metrics: what the page shows, how it is spelled, and the exporter's own metrics."""
