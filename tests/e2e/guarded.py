"""A sidecar that knows its callers, before a service that a test chooses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.e2e.callers import a_key, a_record, sections
from tests.e2e.conftest import Running, running
from tests.e2e.wire import Serve, a_policy, a_service

MEMORY: Final[Mapping[str, object]] = {"store": "memory"}
KEY: Final = a_key("good")
GOOD: Final = b"X-API-Key: " + KEY.encode()
BAD: Final = b"X-API-Key: " + a_key("never made").encode()


@asynccontextmanager
async def guarded(
    serve: Serve, folder: Path, state: Mapping[str, object] = MEMORY, **more: object
) -> AsyncIterator[Running]:
    """Run a sidecar on the policy of `callers`, whose store has one good key, of an owner.

    Args:
        serve: the service behind it.
        folder: for its files.
        state: the section of the policy.
        more: sections laid over the policy's.
    """
    async with a_service(serve) as service:
        policy = a_policy(service.url, **merged(sections(folder, state), more))
        async with running(policy, folder) as proxy:
            assert await proxy.store.add_key(a_record("good", KEY, "owner"))
            yield proxy


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay sections over others, key by key."""
    made = dict(below)
    for name, section in above.items():
        known = made.get(name)
        if isinstance(known, Mapping) and isinstance(section, Mapping):
            made[name] = merged(known, section)
        else:
            made[name] = section
    return made
