"""Where each service is reached: addresses that people configured, else botocore's own rules for partition, FIPS and dual stack."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from exporter.errors import AwsError
from exporter.text import visible

_CONFIGURED_AS = {"config": "config_service", "elb": "elastic_load_balancing", "elbv2": "elastic_load_balancing_v2"}
"""Services that people name otherwise than botocore: by their service id (AWS SDKs and Tools Reference Guide, service endpoints)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address without a slash at its end, and the region that requests to it are signed for."""

    url: str
    signing_region: str


class Endpoints:
    """Resolves addresses, each once. `override` reaches every service in one place; empty for none."""

    def __init__(self, session: Session, override: str = "", environ: Mapping[str, str] = os.environ) -> None:
        self._session, self._override, self._environ = session, override, environ
        self._loader = session.get_component("data_loader")
        self._lock = threading.Lock()
        self._providers: dict[str, EndpointProvider] = {}
        self._known: dict[tuple[str, str, str], Endpoint] = {}

    def partition(self, region: str) -> str:
        """Return the partition of a region: aws, aws-us-gov, aws-cn and so on; `aws` for one that nobody knows."""
        partitions = self._partitions()["partitions"]
        for partition in partitions:
            if region in partition["regions"]:
                return str(partition["id"])
        return next((str(partition["id"]) for partition in partitions if re.match(partition["regionRegex"], region)), "aws")

    def main_region(self, partition: str) -> str:
        """Return the region of a partition in which its global services live."""
        for known in self._partitions()["partitions"]:
            if known["id"] == partition:
                return str(known["outputs"].get("implicitGlobalRegion", "us-east-1"))
        return "us-east-1"

    def of(self, service: str, region: str, bucket: str = "") -> Endpoint:
        """Return where a service of a region is reached, the bucket's place included. Raises AwsError."""
        key = service, region, bucket
        with self._lock:
            known = self._known.get(key)
            if known is None:
                try:
                    known = self._known[key] = self._resolve(service, region, bucket)
                except BotoCoreError as error:
                    raise AwsError(
                        "internal",
                        f"{service} has no address in {region}: {visible(str(error), 300)}; check the name of the region, and the settings "
                        "for FIPS and dual stack (AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT)",
                    ) from None
            return known

    def configured(self, service: str) -> str:
        """Return the address that people gave for a service, empty where none is."""
        if self._override:
            return self._override
        if self._session.get_config_variable("ignore_configured_endpoint_urls"):
            return ""
        profile = self._session.get_scoped_config()
        services = self._session.full_config.get("services", {}).get(profile.get("services", ""), {})
        service = _CONFIGURED_AS.get(service, service)
        section = services.get(service, {})
        found = (
            self._environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
            or self._environ.get("AWS_ENDPOINT_URL")
            or (section.get("endpoint_url") if isinstance(section, dict) else "")
            or profile.get("endpoint_url")
        )
        return str(found or "").rstrip("/")

    def _partitions(self) -> Any:
        return self._loader.load_data("partitions")

    def _resolve(self, service: str, region: str, bucket: str) -> Endpoint:
        provider = self._providers.get(service)
        if provider is None:
            rules = self._loader.load_service_model(service, "endpoint-rule-set-1")
            provider = self._providers[service] = EndpointProvider(rules, self._partitions())
        configured = self.configured(service)
        asked: dict[str, Any] = {
            "Region": region,
            "UseFIPS": not configured and bool(self._session.get_config_variable("use_fips_endpoint")),
            "UseDualStack": not configured and bool(self._session.get_config_variable("use_dualstack_endpoint")),
        }
        if configured:
            asked["Endpoint"] = configured
        if service == "sts":
            asked["UseGlobalEndpoint"] = False
        if service == "s3":
            s3 = self._session.get_config_variable("s3") or {}
            dual = str(s3.get("use_dualstack_endpoint", "")).lower() == "true"
            asked["UseDualStack"] = asked["UseDualStack"] or (not configured and dual)
            path_style = bool(configured) or "." in bucket or s3.get("addressing_style") == "path"
            asked |= {"Accelerate": False, "DisableMultiRegionAccessPoints": True, "ForcePathStyle": path_style, "UseArnRegion": True}
            asked |= {"UseGlobalEndpoint": False, "Bucket": bucket}
        found = provider.resolve_endpoint(**asked)
        # A global service wants its own region signed, behind another address too.
        own = _signing_region(found) or (configured and _signing_region(provider.resolve_endpoint(**_without_address(asked))))
        return Endpoint(found.url.rstrip("/"), own or region)


def _without_address(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != "Endpoint"}


def _signing_region(found: Any) -> str:
    schemes = found.properties.get("authSchemes") or [{}]
    return str(schemes[0].get("signingRegion") or "")
