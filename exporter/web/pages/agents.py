"""What made a call, in a few words: a user agent is up to a kilobyte long, and the person on call wants to know which tool it was."""

from __future__ import annotations

import re

from exporter.model import Channel

CHANNELS = {
    Channel.CONSOLE: "AWS console",
    Channel.CLI: "AWS CLI",
    Channel.SDK: "SDK",
    Channel.TERRAFORM: "Terraform",
    Channel.CLOUDFORMATION: "CloudFormation",
    Channel.PULUMI: "Pulumi",
    Channel.KUBERNETES: "Kubernetes",
    Channel.AWS_SERVICE: "AWS service",
    Channel.OTHER: "other tool",
}
"""What people call the channels."""

# The first that is found names it: Edge says Chrome too, Chrome says Safari too, and Terraform names the SDK that it uses.
_TOOLS = (
    (re.compile(r"\baws-cli/([\w.]+)"), "AWS CLI"),
    (re.compile(r"\bTerraform/([\w.]+)"), "Terraform"),
    (re.compile(r"\bOpenTofu/([\w.]+)"), "OpenTofu"),
    (re.compile(r"\bPulumi/([\w.]+)", re.IGNORECASE), "Pulumi"),
    (re.compile(r"\bBoto3/([\w.]+)"), "Boto3"),
    (re.compile(r"\bEdg/(\d+)"), "Edge"),
    (re.compile(r"\bFirefox/(\d+)"), "Firefox"),
    (re.compile(r"\bChrome/(\d+)"), "Chrome"),
    (re.compile(r"\bVersion/(\d+)[\d.]* (?:Mobile/\w+ )?Safari/"), "Safari"),
)
_BROWSERS = frozenset({"Edge", "Firefox", "Chrome", "Safari"})
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_READ = 2048
_MOST = 40


def short_agent(agent: str | None) -> str:
    """Return name and version of the tool that a user agent names, the system of a browser; the first word of others, cut short."""
    text = (agent or "")[:_READ].strip(" []")
    for pattern, name in _TOOLS:
        found = pattern.search(text)
        if found is None:
            continue
        tool = f"{name} {found.group(1)[:16]}"
        system = next((said for mark, said in _SYSTEMS if mark in text), "") if name in _BROWSERS else ""
        return f"{tool} on {system}" if system else tool
    first = text.partition(" ")[0]
    return first if len(first) <= _MOST else f"{first[: _MOST - 1]}…"
