"""Providers and sessions that end with their test."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme

from sidecar.adapters.clients.guarded_session import GuardedSession
from tests.adapters.clients.provider import Provider


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    one = Provider()
    await one.open()
    yield one
    await one.close()


@pytest.fixture
async def tls_provider() -> AsyncIterator[Callable[[str], Awaitable[Provider]]]:
    opened: list[Provider] = []

    async def make(host: str) -> Provider:
        one = Provider(authority=trustme.CA())
        opened.append(one)
        await one.open(host)
        return one

    yield make
    for one in opened:
        await one.close()


@pytest.fixture
async def session() -> AsyncIterator[GuardedSession]:
    one = GuardedSession()
    yield one
    await one.close()
