"""Rules about listeners, proxies, upstreams and client addresses."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
)
from itertools import combinations
from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.addresses import Address, UpstreamUrl
from sidecar.policy.schema.routes import Addresses
from sidecar.policy.schema.upstream import Upstream

_LISTENERS: Final = ("proxy", "admin", "health")


def listeners_collide(judged: Judged) -> Findings:
    """Two listeners on one address: the second could not bind."""
    for (earlier, one), (later, other) in combinations(_listeners(judged), 2):
        if _collide(one, other):
            # Of two, the one that is only a default is not the mistake.
            mistaken, taken = (later, earlier) if _is_own(judged, later) else (earlier, later)
            message = f"is the address of listen.{taken} too"
            yield judged.error(("listen", mistaken), message, "give each listener its own port")


def workers_without_a_port(judged: Judged) -> Findings:
    """Several workers on a port that the system chooses: each would get another one."""
    policy = judged.policy
    if policy.workers > 1 and policy.listen.proxy.port == 0:
        yield judged.error(
            ("listen", "proxy"),
            "lets the system choose a port, and each of several workers would get its own",
            "name the port, such as 0.0.0.0:8080, or set workers: 1",
        )


def admin_in_the_open(judged: Judged) -> Findings:
    """An admin listener for other machines: its tokens would cross the network in the clear."""
    address = judged.policy.listen.admin
    if not _is_loopback(address.host):
        yield judged.warning(
            ("listen", "admin"),
            "offers the admin API and its tokens to other machines without TLS",
            "127.0.0.1:9901, and listen.health for kubelet and Prometheus",
        )


def trust_in_everyone(judged: Judged) -> Findings:
    """Trusted proxies that are everybody: then every client chooses its own address."""
    networks = judged.policy.listen.trusted_proxies
    if any(network.prefixlen == 0 for network in _collapsed(networks)):
        yield judged.warning(
            ("listen", "trusted_proxies"),
            "every client is a trusted proxy and may claim any address",
            "only the networks of your load balancers, such as 10.0.0.0/8",
        )


def upstream_is_the_sidecar(judged: Judged) -> Findings:
    """An upstream that is one of the sidecar's own listeners: each request would go in circles."""
    reached: list[tuple[Path, UpstreamUrl]] = [(p, u.url) for p, u in _upstreams(judged)]
    reached += [
        (("tenants", name, "upstream"), tenant.upstream)
        for name, tenant in judged.policy.tenants.items()
        if tenant.upstream is not None
    ]
    for path, url in reached:
        own = next((name for name, at in _listeners(judged) if _reaches(url, at)), None)
        if own is not None:
            yield judged.error(path, f"is the sidecar's own listen.{own}", "the service's address")


def tls_without_https(judged: Judged) -> Findings:
    """Options of TLS for an upstream that is not spoken to over TLS."""
    for path, upstream in _upstreams(judged):
        if upstream.tls is not None and upstream.url.scheme != "https":
            yield judged.error(
                (*path, "tls"),
                "belongs to an upstream that is not spoken to over TLS",
                "an https:// url, or no tls section",
            )


def nobody_admitted(judged: Judged) -> Findings:
    """Addresses that leave nobody: what is allowed is denied as well."""
    for index, route in enumerate(judged.policy.routes):
        if route.addresses is not None and _is_for_nobody(route.addresses):
            yield judged.error(
                ("routes", index, "addresses"),
                "nobody may use the route: deny covers all that allow admits",
                "deny wins over allow: make it narrower, or take the route out",
            )


def _listeners(judged: Judged) -> list[tuple[str, Address]]:
    listen = judged.policy.listen
    addresses = (listen.proxy, listen.admin, listen.health)
    return [(n, a) for n, a in zip(_LISTENERS, addresses, strict=True) if a is not None]


def _is_own(judged: Judged, listener: str) -> bool:
    return judged.is_written(("listen", listener))


def _upstreams(judged: Judged) -> list[tuple[Path, Upstream]]:
    routes = enumerate(judged.policy.routes)
    own: list[tuple[Path, Upstream]] = [
        (("routes", i, "upstream"), route.upstream) for i, route in routes if route.upstream
    ]
    return [(("upstream",), judged.policy.upstream), *own]


def _collide(one: Address, other: Address) -> bool:
    if one.port != other.port or one.port == 0:
        return False
    return one.host == other.host or _is_any(one.host) or _is_any(other.host)


def _reaches(url: UpstreamUrl, listener: Address) -> bool:
    if url.port != listener.port or url.port == 0:
        return False
    is_local = _is_loopback(url.host)
    if _is_any(listener.host):
        return _is_any(url.host) or is_local
    is_local = is_local and _is_loopback(listener.host)
    return url.host == listener.host or (is_local and "localhost" in {url.host, listener.host})


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_any(host: str) -> bool:
    literal = _literal(host)
    return literal is not None and literal.is_unspecified


def _is_loopback(host: str) -> bool:
    literal = _literal(host)
    return host == "localhost" if literal is None else literal.is_loopback


def _collapsed(
    networks: Sequence[IPv4Network | IPv6Network],
) -> list[IPv4Network | IPv6Network]:
    v4 = [network for network in networks if isinstance(network, IPv4Network)]
    v6 = [network for network in networks if isinstance(network, IPv6Network)]
    return [*collapse_addresses(v4), *collapse_addresses(v6)]


def _is_for_nobody(addresses: Addresses) -> bool:
    denied = _collapsed(addresses.deny)
    if not addresses.allow:
        return sum(network.prefixlen == 0 for network in denied) == len((4, 6))
    return all(
        any(_is_within(allowed, network) for network in denied) for allowed in addresses.allow
    )


def _is_within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
