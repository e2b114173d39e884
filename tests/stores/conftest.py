"""A feed that a test reads by hand."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import ManualClock
from tests.stores.following import Following


@pytest.fixture
async def following(clock: ManualClock) -> AsyncIterator[Following]:
    following = Following(clock)
    yield following
    await following.feed.close()
