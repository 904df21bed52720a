"""Who stands behind a call, as far as the tool it was made with tells: people, their scripts, or automation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from exporter.model import Channel

ChannelClass = Literal["people", "scripts", "automation"]

CHANNEL_CLASSES: Mapping[ChannelClass, tuple[Channel, ...]] = MappingProxyType(
    {
        "people": (Channel.CONSOLE, Channel.CLI),
        # A program of one's own, or of an intruder; what cannot be told is taken for one.
        "scripts": (Channel.SDK, Channel.OTHER),
        "automation": (Channel.TERRAFORM, Channel.CLOUDFORMATION, Channel.PULUMI, Channel.KUBERNETES, Channel.AWS_SERVICE),
    }
)
"""The classes of channels. Each is compared with its own past, because a user agent is what the caller says it is."""

_CLASS_OF = {channel: name for name, channels in CHANNEL_CLASSES.items() for channel in channels}


def class_of(channel: Channel) -> ChannelClass:
    """Return the class of a channel."""
    return _CLASS_OF[channel]
