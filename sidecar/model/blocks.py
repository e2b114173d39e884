"""What an operator shuts out: addresses, API keys and tenants, for a time or until it is lifted."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

MOST_BLOCKS: Final = 10_000
"""Blocks in force at a time: every process remembers all, and reads all anew at a change."""

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# RFC 4291 §2.5.5.2: ::ffff:0:0/96 holds IPv4 addresses.
_MAPPED_BITS: Final = 96


class BlockKind(StrEnum):
    """What a block is about."""

    ADDRESS = "address"
    KEY = "key"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Block:
    """Whom an operator shut out.

    Attributes:
        kind: what `value` is.
        value: an IP address, or a network in CIDR notation, as `network_text` writes it; the id of
            a key; the id of a tenant.
        until: Unix seconds from which it is over; None until it is lifted.
        reason: why, for the audit alone.
        created_by: actor that made it.
        created_at: Unix seconds.
    """

    kind: BlockKind
    value: str
    until: float | None = None
    reason: str = ""
    created_by: str = ""
    created_at: float = 0.0

    @property
    def id(self) -> str:
        """What tells it from others: of two with one id the later takes the place of the former."""
        return f"{self.kind}:{self.value}"

    def is_over(self, now: float) -> bool:
        """Tell whether its time has passed."""
        return self.until is not None and self.until <= now


def client_address(text: str) -> Address | None:
    """Read the address of a client as a block means it; None where it has none.

    A zone (RFC 4007 §11) says which cable the client came by, not who it is; an IPv4 address that
    is written as one of IPv6 is the same client.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def client_network(text: str) -> Network:
    """Read a network, or an address as the network of itself, as a block means it.

    Raises:
        ValueError: it is none, has a zone, or bits set beyond its prefix length.
    """
    network = ip_network(text)
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id is not None:
        raise ValueError("a zone has a meaning on one host only")
    mapped = network.network_address.ipv4_mapped
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def network_text(network: Network) -> str:
    """Write a network, and one of a single address as that address."""
    is_single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if is_single else str(network)


class KnownBlocks(Protocol):
    """All blocks in force."""

    def is_current(self) -> bool:
        """Whether the list is fresh enough to admit anybody on its word."""

    def address(self, client: str, now: float) -> Block | None:
        """Return a block of a client's address, or of a network that it is in.

        Args:
            client: the address as text; what is none, such as a Unix socket's, is never blocked.
            now: Unix seconds.
        """

    def key(self, key_id: str, now: float) -> Block | None:
        """Return the block of an API key."""

    def tenant(self, tenant: str, now: float) -> Block | None:
        """Return the block of a tenant."""


class NoBlocksKnown:
    """Knows nothing: for compiling a policy that is not going to serve."""

    def is_current(self) -> bool:
        """Say that everything may be blocked."""
        return False

    def address(self, *_: object) -> Block | None:
        """Know of no address."""
        return None

    def key(self, *_: object) -> Block | None:
        """Know of no key."""
        return None

    def tenant(self, *_: object) -> Block | None:
        """Know of no tenant."""
        return None
