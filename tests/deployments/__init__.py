"""Reads what deploy/ has for AWS: templates and modules, each worked out to the resources that it makes."""
