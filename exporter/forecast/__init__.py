"""The forecast: what the history says of the present hour, by account, region and class of channel, as gauges."""

from exporter.forecast.families import EXPECTED, FORECAST_FAMILIES, UPPER
from exporter.forecast.forecaster import Forecaster, Samples
from exporter.forecast.settings import BaselineSettings

__all__ = ["EXPECTED", "FORECAST_FAMILIES", "UPPER", "BaselineSettings", "Forecaster", "Samples"]
