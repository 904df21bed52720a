"""Who works where: twenty account-regions of five kinds, each with people, pipelines and clocks of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exporter.model import Channel, PrincipalType, Unit
from simulation.chance import stream
from simulation.clocks import ZONES, Zone
from simulation.model import Who

Kind = Literal["quiet", "office", "platform", "dev", "batch"]

_PRODUCTION, _STAGING, _SANDBOX = "111122223333", "444455556666", "777788889999"
_ZONE_OF = {
    "us-east-1": "America/New_York",
    "us-west-2": "America/Los_Angeles",
    "sa-east-1": "America/Sao_Paulo",
    "eu-west-2": "Europe/London",
    "eu-central-1": "Europe/Berlin",
    "ap-south-1": "Asia/Kolkata",
    "ap-northeast-1": "Asia/Tokyo",
    "ap-southeast-2": "Australia/Sydney",
}

# In an order in which the first few are a mixture: a small run takes only those.
_UNITS: tuple[tuple[str, str, Kind], ...] = (
    (_PRODUCTION, "us-east-1", "platform"),
    (_STAGING, "eu-central-1", "office"),
    (_SANDBOX, "us-west-2", "dev"),
    (_PRODUCTION, "eu-west-2", "office"),
    (_STAGING, "ap-south-1", "batch"),
    (_SANDBOX, "ap-northeast-1", "quiet"),
    (_PRODUCTION, "eu-central-1", "platform"),
    (_STAGING, "us-east-1", "dev"),
    (_SANDBOX, "eu-central-1", "dev"),
    (_PRODUCTION, "ap-southeast-2", "quiet"),
    (_STAGING, "us-west-2", "office"),
    (_SANDBOX, "us-east-1", "office"),
    (_PRODUCTION, "ap-northeast-1", "platform"),
    (_STAGING, "eu-west-2", "quiet"),
    (_SANDBOX, "ap-south-1", "office"),
    (_PRODUCTION, "us-west-2", "batch"),
    (_STAGING, "ap-southeast-2", "platform"),
    (_SANDBOX, "eu-west-2", "quiet"),
    (_PRODUCTION, "sa-east-1", "office"),
    (_STAGING, "sa-east-1", "quiet"),
)
UNITS = len(_UNITS)


@dataclass(frozen=True, slots=True)
class Place:
    """One account in one region, with who works there; `busyness` scales all that is done.

    Its script runs each night at `script_hour` and makes so many changes on average; with none there is no script.
    """

    unit: Unit
    kind: Kind
    zone: Zone
    people: tuple[Who, ...]
    pipeline: Who
    tool: Channel
    controller: Who
    script: Who
    script_hour: float
    script_changes: int
    busyness: float

    @property
    def name(self) -> str:
        """Return the name under which chance knows it."""
        return f"{self.unit.account_id}/{self.unit.region}"


def estate(seed: int, units: int = UNITS) -> Sequence[Place]:
    """Return the first so many places as this seed has them."""
    places = []
    for account, region, kind in _UNITS[:units]:
        rng = stream(seed, "estate", account, region)
        zone = ZONES[_ZONE_OF[region]]
        # One permission set of single sign-on stands for many people; a few have a user of their own.
        people = (
            Who(PrincipalType.SSO, "sso/NetworkAdministrator"),
            *(Who(PrincipalType.IAM_USER, f"user/{region}-{number}") for number in range(rng.randrange(1, 4))),
        )
        tool = rng.choice((Channel.TERRAFORM, Channel.TERRAFORM, Channel.CLOUDFORMATION, Channel.PULUMI))
        places.append(
            Place(
                Unit(account, region),
                kind,
                zone,
                people,
                Who(PrincipalType.ROLE, f"role/deploy-{tool.value}"),
                tool,
                Who(PrincipalType.ROLE, "role/load-balancer-controller"),
                Who(PrincipalType.ROLE, f"role/nightly-{region}"),
                rng.uniform(0.5, 5.0),
                rng.randrange(2, 9) if kind == "batch" or (kind == "office" and rng.random() < 0.5) else 0,
                rng.uniform(0.6, 1.6),
            )
        )
    return places
