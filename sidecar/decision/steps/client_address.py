"""Find the client's address: the socket's, or what trusted proxies say, from the right."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.headers import list_members
from sidecar.model.memo import Memo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.policy import Policy

Network = IPv4Network | IPv6Network

# 192.0.2.1:4711, [2001:db8::1]:4711 and [2001:db8::1] are what proxies write beside bare addresses.
_WITH_PORT: Final = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?\Z")
# RFC 7239 §4: pairs of a token and a token or quoted string, separated by semicolons.
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=(?:"([^"\\]*)"|([^\s";,]*))\s*\Z')
_WRITES: Final = frozenset(("client", "is_secure", "forwarded_for", "is_from_proxy"))


class DirectClient:
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


class ProxiedClient:
    """Walk X-Forwarded-For or Forwarded from the right to the first hop that is not ours."""

    name: ClassVar[str] = "client_address"
    reads: ClassVar[frozenset[str]] = frozenset({"connection", "head"})
    writes: ClassVar[frozenset[str]] = _WRITES
    can_shadow: ClassVar[bool] = False

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = Memo(self._judge_peer)

    def decide(self, exchange: Exchange) -> Outcome:
        """Find the client, and whether it came over TLS; two accounts that differ are refused."""
        connection = exchange.connection
        head = exchange.head
        exchange.client = connection.peer
        exchange.forwarded_for = connection.peer.encode()
        exchange.is_secure = connection.is_tls
        exchange.is_from_proxy = head is not None and self._is_trusted(connection.peer)
        if head is None or not exchange.is_from_proxy:
            return PASS
        listed = [_address(member) for member in list_members(head.values(b"x-forwarded-for"))]
        elements = _forwarded_elements(head)
        named = [_address(element.get("for", "").encode()) for element in elements]
        if listed and named and self._walk(listed) != self._walk(named):
            return Refuse(
                RefusalCode.BAD_REQUEST, "X-Forwarded-For and Forwarded name different clients"
            )
        hops = self._walk(listed or named)
        if hops:
            exchange.client = hops[0]
            exchange.forwarded_for = ", ".join([*hops, connection.peer]).encode()
        exchange.is_secure = _is_secure(head, elements)
        return PASS

    def _walk(self, addresses: list[IPv4Address | IPv6Address | None]) -> list[str]:
        """Return the client and the trusted hops behind it; what stands left of it is forged."""
        hops: list[str] = []
        for address in reversed(addresses):
            if address is None:
                break
            hops.insert(0, str(address))
            if not self._is_inside(address):
                break
        return hops

    def _judge_peer(self, peer: str) -> bool:
        address = _address(peer.encode())
        return address is not None and self._is_inside(address)

    def _is_inside(self, address: IPv4Address | IPv6Address) -> bool:
        return any(
            network.version == address.version and address in network for network in self._trusted
        )


def compile_client_address(policy: Policy) -> DirectClient | ProxiedClient:
    """Choose the step: no trusted proxy, no reading of what a client says."""
    trusted = policy.listen.trusted_proxies
    return ProxiedClient(trusted) if trusted else DirectClient()


def _address(written: bytes) -> IPv4Address | IPv6Address | None:
    text = written.decode("latin-1")
    if found := _WITH_PORT.match(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _forwarded_elements(head: RequestHead) -> list[dict[str, str]]:
    """Read Forwarded (RFC 7239 §4); an element that is malformed is an empty one."""
    members = list_members(head.values(b"forwarded"))
    elements: list[dict[str, str]] = []
    for member in members:
        pairs = [_PAIR.match(pair) for pair in member.decode("latin-1").split(";")]
        found = {pair[1].lower(): pair[2] or pair[3] or "" for pair in pairs if pair is not None}
        elements.append(found if all(pairs) else {})
    return elements


def _is_secure(head: RequestHead, elements: list[dict[str, str]]) -> bool:
    """Believe the nearest proxy about the scheme: its word is the last one."""
    protocols = list_members(head.values(b"x-forwarded-proto"))
    if protocols:
        return protocols[-1].lower() in {b"https", b"wss"}
    return bool(elements) and elements[-1].get("proto", "").lower() in {"https", "wss"}
