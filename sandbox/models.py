"""botocore's service models, by the service name that signatures carry."""

from __future__ import annotations

import threading

from botocore.model import OperationModel, OperationNotFoundError, ServiceModel
from botocore.session import Session

_MODELS = {"ec2": "ec2", "iam": "iam", "rds": "rds", "redshift": "redshift", "sns": "sns", "sts": "sts"}
"""Services of the query and EC2 protocols whose signing name and model go together one to one."""


class Models:
    """The models that were asked for, loaded once: EC2's takes a third of a second."""

    def __init__(self) -> None:
        self._session = Session()
        self._loaded: dict[str, ServiceModel] = {}
        self._lock = threading.Lock()

    def operation(self, service: str, action: str) -> OperationModel | None:
        """Return the model of a call; None where there is none, or where its service's name does not tell it."""
        if service not in _MODELS:
            return None
        with self._lock:
            if service not in self._loaded:
                self._loaded[service] = self._session.get_service_model(_MODELS[service])
            try:
                return self._loaded[service].operation_model(action)
            except OperationNotFoundError:
                return None
