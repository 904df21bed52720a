"""What the checks themselves ask of AWS, beyond what the sources need."""

from __future__ import annotations

from exporter.aws import Permission

_ANY = ("*",)  # none of these actions is limited to resources that are known beforehand

PERMISSIONS: tuple[Permission, ...] = (
    Permission("cloudtrail:DescribeTrails", _ANY, "Doctor: trails", "member"),
    Permission("cloudtrail:GetTrailStatus", _ANY, "Doctor: trails", "member"),
    Permission("cloudtrail:GetEventSelectors", _ANY, "Doctor: trails", "member"),
    Permission("config:DescribeConfigurationRecorders", _ANY, "Doctor: AWS Config", "member"),
    Permission("config:DescribeConfigurationRecorderStatus", _ANY, "Doctor: AWS Config", "member"),
)
"""Needed in each watched account, by `doctor` alone."""
