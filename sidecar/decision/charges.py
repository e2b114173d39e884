"""Limits of a policy, compiled: what a request takes from which counter."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import Final

from sidecar.model.exchange import Exchange
from sidecar.model.limits import SECOND, Charge, Limit, OnStoreFailure
from sidecar.model.memo import Memo
from sidecar.policy.schema.limits import Limit as Section
from sidecar.policy.schema.limits import RateLimits

CALLERS: Final = 20_000
"""Callers whose charges are remembered; then it starts again."""

LONGEST: Final = 256
"""Characters of whom a charge is for; longer ones are no names, and are not remembered."""
_DIGEST_BYTES: Final = 16
# Callers of one network share where there is no room for a counter each.
_PLACE_BITS: Final = {4: 24, 6: 48}

Reading = Callable[[Exchange], str]


class Networks:
    """Which addresses are one client, and what callers are charged: one memory for all limits.

    Args:
        section: the policy's `limits`.

    Attributes:
        of: gives the network of an address, as text.
        charges: gives the charge of a caller to a limit.
    """

    __slots__ = ("_bits", "charges", "of")

    def __init__(self, section: RateLimits) -> None:
        self._bits = {4: section.ipv4_prefix, 6: section.ipv6_prefix}
        self.of = Memo(self._of, CALLERS)
        self.charges: Memo[tuple[Counted, tuple[str, ...]], Charge] = Memo(_charged, CALLERS)

    def _of(self, address: str) -> str:
        # A zone (RFC 4007 §11) says which cable it came by, not who it is.
        plain = address.partition("%")[0]
        return str(ip_network((plain, self._bits[ip_address(plain).version]), strict=False))


def _charged(key: "tuple[Counted, tuple[str, ...]]") -> Charge:
    counted, parts = key
    return counted.charge(parts)


def reading_of(part: str, networks: Networks) -> Reading:
    """Make what reads a part of a limit's `by` from an exchange.

    Args:
        part: as the policy has it.
        networks: which addresses are one client.
    """
    kind, _, name = part.partition(":")
    if kind == "header":
        field = name.lower().encode()
        return lambda exchange: _field(exchange, field)
    if kind == "claim":
        return lambda exchange: str(exchange.principal.attributes.get(name, ""))
    if kind == "address":
        return lambda exchange: networks.of(exchange.client)
    return _READINGS[kind]


def _field(exchange: Exchange, name: bytes) -> str:
    values = [] if exchange.head is None else exchange.head.values(name)
    return b",".join(values).decode("latin-1")


def _tenant(exchange: Exchange) -> str:
    return "" if exchange.tenant is None else exchange.tenant.id


_READINGS: Final[dict[str, Reading]] = {
    "subject": lambda exchange: exchange.principal.subject,
    "tenant": _tenant,
    "key": lambda exchange: exchange.principal.credential_id,
    "key_prefix": lambda exchange: exchange.principal.key_prefix,
    "project": lambda exchange: exchange.principal.project or "",
    "route": lambda exchange: exchange.route.name,
}


class Counted:
    """One limit, and for whom it is counted.

    Args:
        limit: the limit.
        by: the parts that are counted apart.
        networks: which addresses are one client.
        cost: units that a request takes.
    """

    __slots__ = ("_address", "_charges", "_cost", "_readings", "limit")

    def __init__(self, limit: Limit, by: Sequence[str], networks: Networks, cost: int) -> None:
        self.limit = limit
        self._cost = cost
        self._readings = tuple(reading_of(part, networks) for part in by)
        self._address = by.index("address") if "address" in by else -1
        self._charges = networks.charges

    def of(self, exchange: Exchange) -> Charge:
        """Return what a request takes."""
        parts = tuple([read(exchange) for read in self._readings])
        if sum(map(len, parts)) > LONGEST:
            return self.charge(parts)
        return self._charges((self, parts))

    def charge(self, parts: tuple[str, ...]) -> Charge:
        """Make the charge of a caller.

        Args:
            parts: values of the parts that are counted apart.
        """
        # Lengths in front, so that no value can pass for two.
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for part in parts:
            value = part.encode(errors="surrogateescape")
            digest.update(b"%d:%b" % (len(value), value))
        caller = digest.digest()
        place = caller if self._address < 0 else _place(parts[self._address])
        return Charge(self.limit, caller, self._cost, place)


def _place(network: str) -> bytes:
    own = ip_network(network)
    bits = min(_PLACE_BITS[own.version], own.prefixlen)
    return own.supernet(new_prefix=bits).network_address.packed


def compiled(section: Section, name: str, label: str) -> Limit:
    """Compile a limit of the policy.

    Args:
        section: the limit.
        name: what clients and metrics call it.
        label: what tells its counters from those of other limits.
    """
    amount, period, kind = _measure(section)
    burst = section.burst or 0
    return Limit(
        id=f"{label}/{amount}/{period or kind}/{burst}",
        name=name,
        amount=amount,
        period=period,
        burst=burst,
        calendar=None if section.quota is None else section.quota.period,
        is_charged_refused=section.charge_refused,
        is_shadow=section.mode == "shadow",
        on_store_failure=OnStoreFailure(section.on_store_failure),
        is_concurrency=section.concurrency is not None,
    )


def _measure(section: Section) -> tuple[int, int, str]:
    """Return units, microseconds, and what stands for these where there are none."""
    if section.concurrency is not None:
        return section.concurrency, 0, "concurrency"
    if section.quota is not None:
        return section.quota.amount, 0, section.quota.period
    own = section.limit
    # One of the three is there, as the schema sees to.
    return (own.amount, round(own.seconds * SECOND), "") if own is not None else (0, 0, "")
