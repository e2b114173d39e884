"""Audit records to a stream of Redis or Valkey (AU-1): one entry a record, field `record`.

Whoever imports this pays the memory of the library.
"""

import errno
from collections.abc import Sequence
from typing import Final, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel
from redis.typing import EncodableT, FieldT

from sidecar.adapters.stores.redis.connect import SENTINEL_PORT, place_of, tls_options
from sidecar.policy.schema.audit import RedisSink
from sidecar.policy.schema.state import State

PATIENCE_SECONDS: Final = 5.0
MOST_LINES: Final = 500
_FIELD: Final = "record"


class RedisCarrier:
    """A client of Redis that appends to one stream.

    Args:
        section: the sink of the policy, with its server.

    Attributes:
        name: `redis:` and the name of the stream.
        most: lines that may be sent at once.
    """

    def __init__(self, section: RedisSink) -> None:
        self.name = f"redis:{section.redis_stream}"
        self.most = MOST_LINES
        self._stream = section.redis_stream
        self._longest = section.maxlen
        if section.server is None:
            raise ValueError("a stream needs a server")
        self._state = section.server
        self._client: Redis | RedisCluster | None = None
        self._lines: Sequence[bytes] = ()
        self._taken = 0

    def connect(self) -> None:
        """Connect, or connect anew.

        Raises:
            OSError: nobody can be reached there.
        """
        client: Redis | RedisCluster | None = None
        try:
            client = _client(self._state)
            client.xlen(self._stream)
        except (RedisError, OSError) as error:
            if client is not None:
                client.close()
            raise _failed(error) from error
        self.close()
        self._client = client

    def send(self, lines: Sequence[bytes]) -> None:
        """Append lines; those that were appended before the call failed are not again.

        Raises:
            OSError: they were not all appended.
        """
        if lines is not self._lines:
            self._lines, self._taken = lines, 0
        if self._client is None:
            self.connect()
        client = self._client
        if client is None:
            return
        try:
            self._append(client, lines[self._taken :])
        except (RedisError, OSError) as error:
            self.close()
            raise _failed(error) from error

    def _append(self, client: Redis | RedisCluster, lines: Sequence[bytes]) -> None:
        pipeline = client.pipeline(transaction=False)
        for line in lines:
            entry: dict[FieldT, EncodableT] = {_FIELD: line.rstrip(b"\n")}
            pipeline.xadd(self._stream, entry, maxlen=self._longest, approximate=True)
        for answer in pipeline.execute(raise_on_error=False):
            if isinstance(answer, Exception):
                raise answer
            self._taken += 1

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _client(state: State) -> Redis | RedisCluster:
    options: dict[str, object] = {
        **tls_options(state),
        "username": state.user,
        "password": None if state.password is None else state.password.reveal().decode(),
        "socket_timeout": PATIENCE_SECONDS,
        "socket_connect_timeout": PATIENCE_SECONDS,
        "protocol": 2,
        "client_name": "sidecar-audit",
    }
    # Nothing is tried again behind our back: who has what was written is ours to know.
    once = Retry(NoBackoff(), 0)
    place = place_of(state.store, SENTINEL_PORT if state.topology == "sentinel" else 6379)
    if state.topology == "cluster":
        # The library leaves this and the next untyped.
        nodes = [ClusterNode(*pair) for pair in place.hosts]  # type: ignore[no-untyped-call]  # untyped
        return RedisCluster(startup_nodes=nodes, **options)  # type: ignore[arg-type]  # a table of options
    if state.topology == "sentinel":
        asking = {**tls_options(state), "socket_timeout": PATIENCE_SECONDS, "protocol": 2}
        sentinel = Sentinel(  # type: ignore[no-untyped-call]  # the library leaves it untyped
            place.hosts, sentinel_kwargs=asking, db=place.number, retry=once, **options
        )
        master = sentinel.master_for(state.master)  # type: ignore[no-untyped-call]  # as above
        return cast("Redis", master)
    host, port = place.hosts[0]
    return Redis(host=host, port=port, db=place.number, retry=once, **options)  # type: ignore[arg-type]  # a table of options


def _failed(error: Exception) -> OSError:
    if isinstance(error, OSError) and error.strerror:
        return error
    return OSError(errno.EIO, str(error) or type(error).__name__)
