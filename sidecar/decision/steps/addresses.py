"""Admit a client by its address, where the route says so."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar

from sidecar.decision.steps.client_address import Network
from sidecar.model.exchange import Exchange
from sidecar.model.memo import Memo
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.routes import Addresses as Section


class Addresses(Step):
    """Refuse clients outside `allow` or inside `deny`; `deny` wins."""

    name: ClassVar[str] = "addresses"
    reads: ClassVar[frozenset[str]] = frozenset({"client"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, rule: Section) -> None:
        self._allow = rule.allow
        self._deny = rule.deny
        self._is_admitted = Memo(self._judge)

    def decide(self, exchange: Exchange) -> Outcome:
        """Look the client up."""
        if self._is_admitted(exchange.client):
            return PASS
        return Refuse(RefusalCode.FORBIDDEN, "client address is not admitted")

    def _judge(self, client: str) -> bool:
        # A Unix socket's peer has no address; it is admitted only where no address is asked for.
        try:
            address = ip_address(client)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if _is_inside(address, self._deny):
            return False
        return not self._allow or _is_inside(address, self._allow)


def _is_inside(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(network.version == address.version and address in network for network in networks)
