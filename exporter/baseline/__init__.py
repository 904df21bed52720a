"""What an hour of the week usually brings, learned from the exporter's own history: pure, without I/O or a clock."""

from exporter.baseline.classes import CHANNEL_CLASSES, ChannelClass, class_of
from exporter.baseline.model import Counts, Estate, Expectation, FirstHours, Key, fit, hour_of
from exporter.baseline.parameters import Parameters

__all__ = [
    "CHANNEL_CLASSES",
    "ChannelClass",
    "Counts",
    "Estate",
    "Expectation",
    "FirstHours",
    "Key",
    "Parameters",
    "class_of",
    "fit",
    "hour_of",
]
