"""Ninety days of lifelike activity with labelled incidents, judged by the shipped rules in a real Prometheus."""
