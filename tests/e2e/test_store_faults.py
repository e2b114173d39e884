"""The state store is gone, silent, read-only, full or another: nobody is admitted by mistake."""

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import Revocation, RevocationKind
from tests.e2e.callers import a_key, a_record, a_token, sections
from tests.e2e.conftest import Running
from tests.e2e.guarded import GOOD, KEY, guarded
from tests.e2e.launch import launched, serving
from tests.e2e.records import entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.ports import HOST
from tests.stores.servers import Valkey, Watched, valkey, wait_until, watched_valkey

STALENESS_SECONDS: Final = 1.0
QUICK: Final[Mapping[str, object]] = {"authentication": {"max_staleness": "1s"}}
NEW: Final = b"X-API-Key: " + a_key("new").encode()
TOKEN: Final = b"Authorization: Bearer " + a_token(jti="t-9", sub="bob")
TIMES: Final[Mapping[str, object]] = {"timeout": "300ms", "poll": "100ms"}


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watched_valkey() as watched:
        yield watched


def state_of(server: Valkey) -> Mapping[str, object]:
    return {"store": server.url, **TIMES}


@asynccontextmanager
async def asked(folder: Path, state: Mapping[str, object]) -> AsyncIterator[tuple[Running, Echo]]:
    """Run a sidecar that has met its good caller, and has one key that it has not met."""
    echo = Echo.new()
    async with guarded(echo, folder, state, **QUICK) as proxy:
        await proxy.store.add_key(a_record("new", a_key("new"), "owner"))
        memories = proxy.sidecar.proxy.outside.memories
        assert memories is not None
        async with asyncio.timeout(10):
            # A look-up during which the feed hears of the other key is not remembered.
            while not len(memories.keys):
                assert await status(proxy, GOOD) == 200
        yield proxy, echo


async def status(proxy: Running, line: bytes, target: bytes = b"/any") -> int:
    async with a_client(proxy.port) as client:
        return (await client.ask(get(target, line))).status


async def becomes(proxy: Running, wanted: int, line: bytes = GOOD) -> None:
    """Wait until a caller gets a status; it must never be another but 200, 401 or 503."""
    async with asyncio.timeout(15):
        while (found := await status(proxy, line)) != wanted:
            assert found in {200, 401, 503}
            await asyncio.sleep(0.02)


async def is_closed_to_all_but_the_public(proxy: Running, began: float) -> None:
    """Look on from the moment of a fault: a key that is remembered has its time, others none."""
    assert await status(proxy, NEW) == 503
    while (found := await status(proxy, GOOD)) == 200:
        # A reading that was under way, its deadline and the asking itself come on top.
        assert time.monotonic() - began < STALENESS_SECONDS + 0.8
        await asyncio.sleep(0.02)
    assert found == 503
    assert await status(proxy, NEW) == 503
    assert await status(proxy, GOOD, b"/public") == 200
    while not proxy.sidecar.is_ready():
        assert time.monotonic() - began < STALENESS_SECONDS + 0.8
        await asyncio.sleep(0.02)
    # What was refused says why.
    codes = {entry.code for entry in await entries(proxy) if entry.status == 503}
    assert codes == {"STORE_UNAVAILABLE"}


@pytest.mark.control("AN-4")
@pytest.mark.control("AN-16")
async def test_redis_that_is_gone_admits_nobody_for_longer_than_the_bound(
    tmp_path: Path, server: Valkey
) -> None:
    async with asked(tmp_path, state_of(server)) as (proxy, _):
        assert proxy.gauge("sidecar_degraded", "revocations") == 0
        began = time.monotonic()
        await asyncio.to_thread(server.kill)
        await is_closed_to_all_but_the_public(proxy, began)
        assert proxy.gauge("sidecar_degraded", "store") == 1
        assert proxy.gauge("sidecar_degraded", "revocations") == 1
        await asyncio.to_thread(server.start)
        # It came back empty: the key is nobody's until it is there again.
        await becomes(proxy, 401)
        assert await proxy.store.add_key(a_record("good", KEY, "owner"))
        await becomes(proxy, 200)
        # What is asked of the store now is current before the feed has been read again.
        async with asyncio.timeout(15):
            while proxy.sidecar.is_ready():  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.02)
        assert proxy.gauge("sidecar_degraded", "store") == 0
        assert proxy.gauge("sidecar_degraded", "revocations") == 0


@pytest.mark.control("AN-4")
@pytest.mark.control("AN-16")
async def test_redis_that_hangs_admits_nobody_for_longer_than_the_bound(
    tmp_path: Path, server: Valkey
) -> None:
    async with asked(tmp_path, state_of(server)) as (proxy, _):
        began = time.monotonic()
        server.pause()
        try:
            await is_closed_to_all_but_the_public(proxy, began)
        finally:
            server.resume()
        await becomes(proxy, 200)
        await becomes(proxy, 200, NEW)


@pytest.mark.control("AN-4")
async def test_a_read_only_replica_is_not_believed(
    tmp_path: Path, server: Valkey, other: Valkey
) -> None:
    async with asked(tmp_path, state_of(server)) as (proxy, _):
        began = time.monotonic()
        await asyncio.to_thread(server.command, "REPLICAOF", HOST, str(other.port))
        await is_closed_to_all_but_the_public(proxy, began)
        await asyncio.to_thread(server.command, "REPLICAOF", "NO", "ONE")
        # With what it has now: its own, or nothing if it has copied the other meanwhile.
        async with asyncio.timeout(15):
            while (found := await status(proxy, GOOD)) == 503:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.02)
        assert found in {200, 401}


async def test_redis_that_is_full_goes_on_to_answer(tmp_path: Path, server: Valkey) -> None:
    async with asked(tmp_path, state_of(server)) as (proxy, _):
        await asyncio.to_thread(server.command, "CONFIG", "SET", "maxmemory", "1")
        end = time.monotonic() + STALENESS_SECONDS * 1.5
        while time.monotonic() < end:
            assert await status(proxy, GOOD) == 200
            await asyncio.sleep(0.1)
        assert await status(proxy, NEW) == 200
        assert await status(proxy, b"X-API-Key: " + a_key("never").encode()) == 401


@pytest.mark.control("AN-4")
async def test_a_failover_admits_nobody_by_mistake_and_needs_no_restart(
    tmp_path: Path, watched: Watched
) -> None:
    state = {"store": watched.url, "topology": "sentinel", **TIMES}
    async with asked(tmp_path, state) as (proxy, _):
        await asyncio.to_thread(_wait_for_offset, watched.master)
        began = time.monotonic()
        await asyncio.to_thread(watched.master.kill)
        while await status(proxy, GOOD) == 200:
            if await asyncio.to_thread(watched.has_failed_over):
                break
            assert time.monotonic() - began < STALENESS_SECONDS + 0.8
        await becomes(proxy, 200)
        await becomes(proxy, 200, NEW)
        assert await status(proxy, b"X-API-Key: " + a_key("never").encode()) == 401


def _wait_for_offset(master: Valkey) -> None:
    wait_until(lambda: master.command("WAIT", "1", "100") == 1, "the replica has all")


async def test_a_revocation_that_cannot_be_read_admits_no_token_and_keeps_no_key_out(
    tmp_path: Path, server: Valkey
) -> None:
    async with asked(tmp_path, state_of(server)) as (proxy, _):
        assert await status(proxy, TOKEN) == 200
        garbage, name = '1|{"mood":"good"}', "{sidecar}:revocations"
        await asyncio.to_thread(server.command, "ZADD", name, "1", garbage)
        await proxy.store.revoke(Revocation(RevocationKind.TOKEN, "", "other", 1.0, 9e9))
        await becomes(proxy, 503, TOKEN)
        assert list(proxy.sidecar.is_ready()) == ["revocations cannot be read"]
        assert proxy.gauge("sidecar_degraded", "revocations") == 1
        assert await status(proxy, GOOD) == 200
        await asyncio.to_thread(server.command, "ZREM", name, garbage)
        await becomes(proxy, 200, TOKEN)


# --- SQLite


@pytest.mark.control("AN-10")
async def test_a_state_file_that_was_replaced_admits_nobody_for_longer_than_the_bound(
    tmp_path: Path,
) -> None:
    file = tmp_path / "state.db"
    async with asked(tmp_path, {"store": f"sqlite:{file}", **TIMES}) as (proxy, _):
        began = time.monotonic()
        _replace(file, tmp_path / "former")
        await is_closed_to_all_but_the_public(proxy, began)
        _put_back(tmp_path / "former", file)
        await becomes(proxy, 200)
        await becomes(proxy, 200, NEW)


def _replace(file: Path, former: Path) -> None:
    file.rename(former)
    file.touch()


def _put_back(former: Path, file: Path) -> None:
    former.rename(file)


async def test_a_sqlite_file_that_cannot_grow_goes_on_to_answer(tmp_path: Path) -> None:
    state = {"store": f"sqlite:{tmp_path / 'state.db'}", **TIMES}
    async with asked(tmp_path, state) as (proxy, _):
        log = tmp_path / "state.db-wal"
        size = max(log.stat().st_size, (tmp_path / "state.db").stat().st_size, 65536)
        with file_size_limit(size):
            with pytest.raises(StoreUnavailableError):
                await fill(proxy)
            assert await status(proxy, GOOD) == 200
            assert await status(proxy, NEW) == 200
        assert await proxy.store.add_key(a_record("last", a_key("last"), "viewer"))


async def fill(proxy: Running) -> None:
    for number in range(5000):
        await proxy.store.add_key(a_record(f"n{number}", a_key(f"n{number}"), "viewer"))


class file_size_limit:  # noqa: N801 -- a context manager
    """Let no file of the process grow beyond a size: what a full disk looks like to SQLite."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


# --- start


def document(folder: Path, state: object, **more: object) -> str:
    return a_policy("http://127.0.0.1:1", **{**sections(folder, {}), "state": state, **more})


FreePort = Callable[[], int]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_store_out_of_reach_ends_the_start_in_one_line(
    tmp_path: Path, free_port: FreePort, workers: int
) -> None:
    state = {"store": f"redis://127.0.0.1:{free_port()}/0", **TIMES}
    listen = {"proxy": f"127.0.0.1:{free_port()}", "admin": "127.0.0.1:0"}
    file = tmp_path / "policy.yaml"
    file.write_text(document(tmp_path, state, workers=workers, listen=listen))
    async with launched([str(file)], tmp_path / "none") as process:
        assert await process.ended() == 3
    lines = [line for line in process.said if line.startswith("sidecar: ")]
    assert "sidecar: the state store cannot be used: the server cannot be reached" in lines
    assert len(lines) == 1
    assert not any("Traceback" in line for line in process.said)


async def test_a_state_file_that_cannot_be_made_ends_the_start_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    file = tmp_path / "policy.yaml"
    file.write_text(document(tmp_path, f"sqlite:{tmp_path / 'file' / 'state.db'}"))
    async with launched([str(file)], tmp_path / "none") as process:
        assert await process.ended() == 3
    [line] = [line for line in process.said if line.startswith("sidecar: ")]
    assert line.startswith("sidecar: the state store cannot be used: ")
    assert not any("Traceback" in line for line in process.said)


async def test_a_user_without_a_folder_is_told_where_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "SIDECAR_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "policy.yaml"
    file.write_text(document(tmp_path, "sqlite:"))
    async with launched([str(file)], tmp_path / "none") as process:
        assert await process.ended() == 3
    assert any("SIDECAR_STATE_DIR" in line for line in process.said)


async def test_workers_with_a_memory_each_are_refused_by_the_policy(
    tmp_path: Path, free_port: FreePort
) -> None:
    file = tmp_path / "policy.yaml"
    listen = {"proxy": f"127.0.0.1:{free_port()}"}
    file.write_text(document(tmp_path, "memory", workers=2, listen=listen))
    async with launched([str(file)], tmp_path / "none") as process:
        assert await process.ended() == 1
    assert any("memory of one process" in line for line in process.said)


async def test_core_dumps_are_off_in_the_process_that_serves(tmp_path: Path) -> None:
    async with (
        a_service(Echo.new()) as service,
        serving(a_policy(service.url), tmp_path) as sidecar,
    ):
        assert resource.prlimit(sidecar.child.pid, resource.RLIMIT_CORE) == (0, 0)


@pytest.mark.control("RS-4")
async def test_a_tenant_that_cannot_be_looked_up_allows_no_page(
    server: Valkey, tmp_path: Path
) -> None:
    cors = {"origins": ["https://console.example"]}
    asks = b"Access-Control-Request-Method: GET"
    target = b"/orgs/stored/items"
    async with guarded(Echo(), tmp_path, state_of(server), cors=cors) as proxy:
        server.kill()
        found = []
        for page in (b"https://app.stored.example", b"https://console.example"):
            async with a_client(proxy.port) as client:
                origin = b"Origin: " + page
                answer = await client.ask(get(target, origin, asks, method=b"OPTIONS"))
                allowed = answer.values(b"access-control-allow-origin")
                found.append((answer.status, allowed))
        assert found == [(503, []), (204, [b"https://console.example"])]
