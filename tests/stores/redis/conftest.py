"""A server and a store on it, for one test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from sidecar.adapters.stores.redis.store import RedisStore
from tests.stores.redis.served import opened
from tests.stores.rows import a_state
from tests.stores.servers import Valkey, valkey


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
async def store(server: Valkey) -> AsyncIterator[RedisStore]:
    async with opened(a_state(server.url, timeout="500ms")) as store:
        yield store
