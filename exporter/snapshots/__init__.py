"""Reads what stands in AWS: rules and what decides what they mean, from EC2 or AWS Config, in one shape either way."""
