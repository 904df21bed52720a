"""What an hour of the week usually brings, learned from the exporter's own history: pure, without I/O or a clock."""

from exporter.baseline.classes import CHANNEL_CLASSES, ChannelClass, class_of
from exporter.baseline.model import Counts, Expectation, Key, fit

__all__ = ["CHANNEL_CLASSES", "ChannelClass", "Counts", "Expectation", "Key", "class_of", "fit"]
