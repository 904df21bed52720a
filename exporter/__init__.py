"""Prometheus exporter for who changes what in AWS, security groups first."""

__version__ = "0.1.0"
