"""The past: the history of the store as samples with event times, for the time series database of Prometheus."""

from exporter.backfill.default_end import default_end
from exporter.backfill.openmetrics import Labelled, Written, write
from exporter.backfill.replay import Stretch, replay
from exporter.backfill.sampling import Grid

__all__ = ["Grid", "Labelled", "Stretch", "Written", "default_end", "replay", "write"]
