"""Find the client's address: the socket's, or what trusted proxies say, from the right."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.headers import list_members
from sidecar.model.memo import Memo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.policy import Policy

Network = IPv4Network | IPv6Network

# 192.0.2.1:4711, [2001:db8::1]:4711 and [2001:db8::1] are what proxies write beside bare addresses.
_WITH_PORT: Final = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?\Z")
# RFC 7239 §4: pairs of a token and a token or quoted string, separated by semicolons.
_PAIR: Final = re.compile(r'[ \t]*([A-Za-z]+)=(?:"([^"\\]*)"|([^ \t";,]*))[ \t]*\Z')
# A chain of proxies is short; a longer one is a way to make every request dear.
_MOST_HOPS: Final = 32
_SECURE: Final = frozenset((b"https", b"wss"))
_WRITES: Final = frozenset(("client", "is_secure", "forwarded_for", "is_from_proxy"))


class DirectClient(Step):
    """Take the socket's address: the policy trusts no proxy."""

    name: ClassVar[str] = "client_address"
    reads: ClassVar[frozenset[str]] = frozenset({"connection"})
    writes: ClassVar[frozenset[str]] = _WRITES
    can_shadow: ClassVar[bool] = False

    def decide(self, exchange: Exchange) -> Outcome:
        """Write down what the socket says; what the client says of itself counts for nothing."""
        connection = exchange.connection
        exchange.client = connection.peer
        exchange.forwarded_for = connection.peer.encode()
        exchange.is_secure = connection.is_tls
        exchange.is_from_proxy = False
        return PASS


class ProxiedClient(Step):
    """Walk X-Forwarded-For or Forwarded from the right to the first hop that is not ours."""

    name: ClassVar[str] = "client_address"
    reads: ClassVar[frozenset[str]] = frozenset({"connection", "head"})
    writes: ClassVar[frozenset[str]] = _WRITES
    can_shadow: ClassVar[bool] = False

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._hop = Memo(self._judge)

    def decide(self, exchange: Exchange) -> Outcome:
        """Find the client, and whether it came over TLS; two accounts that differ are refused."""
        connection = exchange.connection
        head = exchange.head
        exchange.client = connection.peer
        exchange.forwarded_for = connection.peer.encode()
        exchange.is_secure = connection.is_tls
        peer = self._hop(connection.peer.encode())
        exchange.is_from_proxy = head is not None and peer is not None and peer.is_trusted
        if head is None or not exchange.is_from_proxy:
            return PASS
        listed = list_members(head.values(b"x-forwarded-for"))
        elements = list_members(head.values(b"forwarded"))
        hops = self._walk(reversed(listed))
        if elements:
            named = self._walk(_parameter(element, "for") for element in reversed(elements))
            if listed and named != hops:
                return Refuse(
                    RefusalCode.BAD_REQUEST, "X-Forwarded-For and Forwarded name different clients"
                )
            hops = named
        if hops:
            exchange.client = hops[0]
            exchange.forwarded_for = ", ".join([*hops, connection.peer]).encode()
        scheme = _scheme(head, elements)
        if scheme:
            exchange.is_secure = scheme in _SECURE
        return PASS

    def _walk(self, written: Iterable[bytes]) -> list[str]:
        """Return the client and the trusted hops behind it; what stands left of it is forged.

        Args:
            written: the hops from the nearest to the farthest, read no further than needed.
        """
        hops: list[str] = []
        for one in islice(written, _MOST_HOPS):
            hop = self._hop(one)
            if hop is None:
                break
            hops.append(hop.address)
            if not hop.is_trusted:
                break
        hops.reverse()
        return hops

    def _judge(self, written: bytes) -> "_Hop | None":
        text = written.decode("latin-1")
        if found := _WITH_PORT.match(text):
            text = found[1] or found[2]
        try:
            address = ip_address(text)
        except ValueError:
            return None
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                # A zone has a meaning on the host that wrote it only.
                return None
            address = address.ipv4_mapped or address
        is_trusted = any(
            network.version == address.version and address in network for network in self._trusted
        )
        return _Hop(str(address), is_trusted)


@dataclass(frozen=True, slots=True)
class _Hop:
    """An address on the way, and whether it is one of our proxies."""

    address: str
    is_trusted: bool


def compile_client_address(policy: Policy) -> DirectClient | ProxiedClient:
    """Choose the step: no trusted proxy, no reading of what a client says."""
    trusted = policy.listen.trusted_proxies
    return ProxiedClient(trusted) if trusted else DirectClient()


def _parameter(element: bytes, name: str) -> bytes:
    """Read one parameter of a Forwarded element (RFC 7239 §4); a malformed element has none."""
    pairs = [_PAIR.match(pair) for pair in element.decode("latin-1").split(";")]
    found = {pair[1].lower(): pair[2] or pair[3] or "" for pair in pairs if pair is not None}
    # "Each parameter MUST NOT occur more than once per field-value."
    return found.get(name, "").encode("latin-1") if len(found) == len(pairs) else b""


def _scheme(head: RequestHead, elements: list[bytes]) -> bytes:
    """Ask the nearest proxy for the scheme: its word is the last one; empty when it has none."""
    protocols = list_members(head.values(b"x-forwarded-proto"))
    if protocols:
        return protocols[-1].lower()
    return _parameter(elements[-1], "proto").lower() if elements else b""
