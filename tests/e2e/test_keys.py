"""Keys on real processes: made by the real command, used on real sockets, over in time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.commands import printed
from tests.e2e.launch import Launched, serving
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

FreePort = Callable[[], int]

REVOKED_SECONDS = 5.0
"""A revocation is in force within this time (AN-10)."""


@dataclass(frozen=True, slots=True)
class House:
    """A sidecar that serves, and two ways to act on its keys."""

    sidecar: Launched
    folder: Path

    async def keys(self, *words: str, way: str) -> Sequence[str]:
        """Run `sidecar keys …`; returns the lines of its answer."""
        url = f"http://127.0.0.1:{self.sidecar.admin_port}"
        ways = {
            "store": ("--policy", str(self.folder / "policy.yaml")),
            "admin": ("--admin", url, "--token-file", str(self.folder / "token")),
        }
        return (await printed("keys", *words, *ways[way])).splitlines()

    async def status(self, key: str) -> int:
        """Ask with a key."""
        async with a_client(self.sidecar.port) as client:
            line = f"X-API-Key: {key}".encode()
            return (await client.ask(get(b"/", line, b"Connection: close"))).status

    async def becomes(self, key: str, status: int, times: int) -> None:
        """Wait until a key is answered with a status so many times on end, by whatever worker."""
        seen = 0
        async with asyncio.timeout(REVOKED_SECONDS):
            while seen < times:
                seen = seen + 1 if await self.status(key) == status else 0
                await asyncio.sleep(0.01)


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@asynccontextmanager
async def a_house(folder: Path, workers: int, port: int) -> AsyncIterator[House]:
    (folder / "token").write_text("a-token-for-tests")
    (folder / "pepper").write_text("a pepper for tests")
    sections = {
        "workers": workers,
        "state": f"sqlite:{folder / 'state.db'}",
        "secrets": {"pepper": "file:pepper"},
        "admin": {"tokens": [{"name": "ops", "token": "file:token", "role": "admin"}]},
        "authentication": {"api_keys": {"formats": [{"prefix": "sk_live", "checksum": True}]}},
        "tenants": {"acme": {}},
        "listen": {"proxy": f"127.0.0.1:{port}", "admin": "127.0.0.1:0"},
        "routes": [{"path": "/**", "role": "viewer"}],
    }
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, **sections), folder) as sidecar,
    ):
        yield House(sidecar, folder)


@pytest.mark.parametrize(
    ("workers", "way", "other"),
    [(1, "admin", "store"), (1, "store", "admin"), (2, "admin", "store")],
)
async def test_a_key_lives_from_its_making_to_its_end(
    workers: int, way: str, other: str, tmp_path: Path, free_port: FreePort
) -> None:
    async with a_house(tmp_path, workers, free_port()) as house:
        (key,) = await house.keys("create", "--tenant", "acme", "--role", "viewer", way=way)
        for _ in range(2 * workers):
            assert await house.status(key) == 200
        (line,) = await house.keys("breach", "acme", "--rotate", "--grace", "1h", way=other)
        fresh = line.split()[2]
        assert (await house.status(fresh), await house.status(key)) == (200, 200)
        assert await house.keys("breach", "acme", way=way) == []
        for one in (key, fresh):
            await house.becomes(one, 401, times=1 if workers == 1 else 12)
    said = "\n".join(house.sidecar.said)
    kept = contents(tmp_path)
    for one in (key, fresh):
        assert one not in said
        assert one.encode() not in kept
    actions = [record["action"] for record in house.sidecar.records()]
    assert actions.count("tenant.breach") == 2
    assert actions.count("key.rotate") == 1
