"""Connections to the one node of a Cluster that holds the store.

All keys of the store share a slot, so its node is all that is needed; the library's own client of
Clusters keeps connections to every node, and loses some of them when one dies.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import RedisError

Address = tuple[str, int]
Locate = Callable[[], Awaitable[Address]]

_NOBODY: Final = "no node of the Cluster says who holds the slot"


class NodeConnection(Connection):
    """A connection that asks where the store is each time that it connects."""

    def __init__(self, *, locate: Locate, **options: object) -> None:
        # The library types its options one by one; a table of them cannot be checked.
        super().__init__(**options)  # type: ignore[arg-type]
        self._locate = locate

    async def _connect(self) -> None:
        self.host, self.port = await self._locate()
        await super()._connect()  # type: ignore[no-untyped-call]  # the library's


class SecureNodeConnection(NodeConnection, SSLConnection):
    """The same over TLS."""


class NodePool(ConnectionPool):
    """Connections to the node that holds the store.

    Whoever closes them doubts that it does: another node is then asked first, since one that is cut
    off from the others goes on to say that it holds what it held.
    """

    def __init__(self, hosts: deque[Address], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # as above
        self._hosts = hosts

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 -- the library's
        """Close connections, and doubt who said where they lead."""
        self._hosts.rotate(-1)
        await super().disconnect(inuse_connections)


def cluster_client(
    hosts: Sequence[Address], prefix: str, patience: float, options: dict[str, object]
) -> Redis:
    """Make a client of whichever node holds the store's slot.

    Args:
        hosts: nodes that are asked who holds it.
        prefix: the hash tag that all keys of the store share.
        patience: seconds that one node has for its answer.
        options: the library's options of a connection, `ssl` among them.
    """
    slot = key_slot(prefix.encode())
    known = deque(hosts)
    asking = {**options, "socket_timeout": patience, "socket_connect_timeout": patience}

    async def locate() -> Address:
        for host, port in tuple(known):
            node = Redis(host=host, port=port, **asking)  # type: ignore[arg-type]  # as above
            try:
                slots = await node.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]  # the library's
                return _owner(slots, slot, host)
            except (RedisError, OSError):
                continue  # the next one may know
            finally:
                await node.aclose()
        raise NoConnectionError(_NOBODY)

    own = {name: value for name, value in options.items() if name != "ssl"}
    kind = SecureNodeConnection if options.get("ssl") else NodeConnection
    pool = NodePool(known, connection_class=kind, locate=locate, **own)
    return Redis.from_pool(pool)


def _owner(slots: object, slot: int, host: str) -> Address:
    # Rows of `CLUSTER SLOTS`: first and last slot, then the master and its replicas.
    for first, last, (name, port, *_), *_ in slots if isinstance(slots, list) else ():
        if first <= slot <= last:
            return (name.decode() if name else host), port
    raise NoConnectionError(_NOBODY)
