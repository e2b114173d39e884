"""Clients of Redis as the policy describes it: one server, Sentinels, or a Cluster."""

import ssl
from dataclasses import dataclass
from typing import Final, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from sidecar.adapters.stores.redis.cluster import cluster_client
from sidecar.policy.schema.state import State

CONNECTIONS: Final = 16
"""Connections to a server: calls that are on their way at once, and one for the subscription."""

_PORT: Final = 6379
SENTINEL_PORT: Final = 26379


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Redis URL points to.

    Attributes:
        hosts: names or addresses, each with its port.
        number: number of the database.
        is_secure: whether TLS is spoken.
    """

    hosts: tuple[tuple[str, int], ...]
    number: int
    is_secure: bool


def place_of(url: str, port: int = _PORT) -> Place:
    """Take a URL apart, whose form the policy has checked.

    Args:
        url: `redis://` or `rediss://`, hosts joined by commas, and perhaps `/` and a number.
        port: port of hosts that name none.
    """
    scheme, _, rest = url.partition("://")
    hosts, _, number = rest.partition("/")
    pairs = tuple(_host_and_port(one, port) for one in hosts.split(",") if one)
    return Place(pairs, int(number or 0), scheme == "rediss")


def _host_and_port(text: str, port: int) -> tuple[str, int]:
    if text.startswith("["):
        host, _, given = text[1:].partition("]")
        given = given.removeprefix(":")
    else:
        host, _, given = text.partition(":")
    return host, int(given or port)


def connect(state: State) -> Redis:
    """Make a client; it connects when it is first used.

    Nothing is tried again behind our back: a write that was sent and not answered may have been
    done, and the deadline of a call is ours.

    Args:
        state: the section of the policy.
    """
    if state.topology == "cluster":
        hosts = place_of(state.store).hosts
        return cluster_client(hosts, state.prefix, state.timeout / 3, _options(state))
    if state.topology == "sentinel":
        return _watched(state)
    place = place_of(state.store)
    host, port = place.hosts[0]
    # The library types its options one by one; a table of them cannot be checked.
    return Redis(host=host, port=port, db=place.number, **_options(state))  # type: ignore[arg-type]


async def disconnect(client: Redis) -> None:
    """Close all connections of a client, those to Sentinels included."""
    await client.aclose()
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _watched(state: State) -> Redis:
    place = place_of(state.store, SENTINEL_PORT)
    patience = state.timeout / 3  # one Sentinel that is silent leaves time to ask another
    asking = {
        **tls_options(state),
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    sentinel = Sentinel(  # type: ignore[no-untyped-call]  # the library leaves it untyped
        place.hosts, sentinel_kwargs=asking, db=place.number, **_options(state)
    )
    # The library says `Redis` of any class that it was given; none was given.
    return cast("Redis", sentinel.master_for(state.master))


def _options(state: State) -> dict[str, object]:
    return {
        **tls_options(state),
        "username": state.user,
        "password": None if state.password is None else state.password.reveal().decode(),
        "socket_timeout": state.timeout,
        "socket_connect_timeout": state.timeout,
        "max_connections": CONNECTIONS + 1,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "sidecar",
    }


def tls_options(state: State) -> dict[str, object]:
    """Say how TLS is spoken to a server, if it is."""
    if not place_of(state.store).is_secure:
        return {}
    return {
        "ssl": True,
        "ssl_ca_certs": state.ca,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
