"""Settings of the section `baseline`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from exporter.settings import Duration, Settings


class BaselineSettings(Settings):
    """From what the exporter learns how many changes an hour of the week usually brings."""

    history: Annotated[Duration, Field(ge=timedelta(days=14), le=timedelta(days=400))] = Field(
        default=timedelta(days=90),
        description="How much of the history counts, 14d to 400d, as far as `store.retention` keeps it; younger hours count more than "
        "older ones.",
    )
