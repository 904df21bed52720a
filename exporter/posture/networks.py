"""Blocks of addresses as integers, read from the text of a CIDR."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

BITS: Mapping[int, int] = {4: 32, 6: 128}
"""Length of an address by IP version."""

_LONGEST_CIDR = 49
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}/(?:3[0-2]|[12]?[0-9])")


@dataclass(frozen=True, slots=True)
class Network:
    """One CIDR block as integers; `end` is excluded. Host bits of the text it came from are cleared."""

    version: int
    start: int
    end: int

    def holds(self, other: Network) -> bool:
        """Tell whether a block lies in this one, or is it."""
        return self.version == other.version and self.start <= other.start and other.end <= self.end


EVERYTHING: Mapping[int, Network] = {version: Network(version, 0, 1 << bits) for version, bits in BITS.items()}
"""The block of prefix length 0 by IP version."""


def is_plain_ipv4(text: str) -> bool:
    """Tell, fast, whether a text is an IPv4 range as AWS writes it: then it is a block. Others may be one too."""
    return _PLAIN_IPV4.fullmatch(text) is not None


def parse_network(text: str | None) -> Network | None:
    """Return the block that a CIDR or a single address spells (host bits cleared), None where it spells none.

    An IPv6 address may end in dotted form (RFC 4291, 2.2); it stays IPv6: ::ffff:0.0.0.0/96 is no IPv4 network, for a rule on
    IPv6 matches packets of IPv6, and mapped addresses never are on the wire (RFC 4291, 2.5.5.2).
    """
    if not isinstance(text, str) or len(text) > _LONGEST_CIDR:
        return None
    address, slash, length = text.partition("/")
    version = 6 if ":" in address else 4
    bits = BITS[version]
    if slash and not (length.isascii() and length.isdigit()):
        return None
    prefix = int(length) if slash else bits
    if prefix > bits:
        return None
    try:
        value = int.from_bytes(socket.inet_pton(socket.AF_INET6 if version == 6 else socket.AF_INET, address))
    except (OSError, ValueError):
        return None
    size = 1 << (bits - prefix)
    start = value & -size
    return Network(version, start, start + size)


def peer_network(text: str, version: int) -> Network | None:
    """Return the block that the peer of a rule means, None where it cannot be read.

    A prefix length of 0 leaves nothing of the address, so the address need not be readable then: it is everything, of the version
    that the rule says.
    """
    spelled = text.strip()
    network = parse_network(spelled)
    if network is None and spelled.rpartition("/")[1:] == ("/", "0"):
        return EVERYTHING[6 if ":" in spelled else version]
    return network
