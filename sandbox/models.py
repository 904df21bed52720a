"""botocore's service models, by the service name that signatures carry."""

from __future__ import annotations

import threading

from botocore.model import OperationModel, OperationNotFoundError, ServiceModel
from botocore.session import Session

_MODELS = {
    "autoscaling": "autoscaling",
    "cloudformation": "cloudformation",
    "ec2": "ec2",
    "elasticache": "elasticache",
    "iam": "iam",
    "rds": "rds",
    "redshift": "redshift",
    "sns": "sns",
    "sts": "sts",
    ("elasticloadbalancing", "2012-06-01"): "elb",
    ("elasticloadbalancing", "2015-12-01"): "elbv2",
}
"""Services of the query and EC2 protocols by signing name, and by version of the API where two share a name; with their model."""


class Models:
    """The models that were asked for, loaded once: EC2's takes a third of a second."""

    def __init__(self) -> None:
        self._session = Session()
        self._loaded: dict[str, ServiceModel] = {}
        self._lock = threading.Lock()

    def operation(self, service: str, action: str, version: str = "") -> OperationModel | None:
        """Return the model of a call; None where there is none, or where its service's name does not tell it."""
        name = _MODELS.get(service) or _MODELS.get((service, version))
        if name is None:
            return None
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._session.get_service_model(name)
            try:
                return self._loaded[name].operation_model(action)
            except OperationNotFoundError:
                return None
