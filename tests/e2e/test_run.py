"""One process: start and its failures, signals, memory."""

import asyncio
import errno
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar.cli.main import invoke
from tests.e2e.launch import START_SECONDS, launched, serving
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get, ok

FreePort = Callable[[], int]


class Gate:
    """Answers when it is told to; a WebSocket is opened at once."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while peer.waiting or await peer.more():
            if b"Upgrade: websocket" in peer.waiting:
                await opens(reads)(peer)
                return
            await peer.request()
            self.arrived.set()
            await self.go.wait()
            await peer.send(ok(2) + b"ok")


async def test_sigterm_lets_requests_end_and_closes_all_else(tmp_path: Path) -> None:
    gate = Gate()
    async with (
        a_service(gate) as service,
        serving(a_policy(service.url, listen={"drain": "5s"}), tmp_path) as sidecar,
        a_client(sidecar.port) as busy,
        a_client(sidecar.port) as idle,
        a_client(sidecar.port) as socket_client,
    ):
        await sidecar.becomes_ready()
        await socket_client.send(get(b"/ws", *HANDSHAKE))
        await socket_client.head()
        await busy.send(get(b"/1") + get(b"/2"))
        await gate.arrived.wait()
        sidecar.order(signal.SIGTERM)
        assert await idle.ended() == b""
        assert await socket_client.ended() == b""
        assert (await sidecar.ask_admin(b"/readyz"))[0] == 503
        assert b"draining" in (await sidecar.ask_admin(b"/readyz"))[1]
        assert (await sidecar.ask_admin(b"/livez"))[0] == 200
        with pytest.raises(ConnectionRefusedError):
            await sidecar.ask()
        gate.go.set()
        answer = await busy.response()
        assert (answer.body, answer.values(b"connection")) == (b"ok", [b"close"])
        assert await busy.ended() == b""
        assert await sidecar.ended() == 0
        assert len(sidecar.records()) == 2


async def test_a_connection_that_falls_idle_while_draining_is_closed(tmp_path: Path) -> None:
    """Its answer began before SIGTERM and promised to keep the connection."""
    gate = Gate()

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(ok(2))
        await gate.go.wait()
        await peer.send(b"ok")
        await peer.ended()

    async with (
        a_service(serve) as service,
        serving(a_policy(service.url, listen={"drain": "9s"}), tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get())
        await client.head()
        sidecar.order(signal.SIGTERM)
        await sidecar.becomes_ready(ready=False)
        gate.go.set()
        assert await client.exactly(2) == b"ok"
        began = time.monotonic()
        assert await client.ended() == b""
        assert await sidecar.ended() == 0
        assert time.monotonic() - began < 3


async def test_what_outlasts_the_drain_is_cut_off_and_recorded(tmp_path: Path) -> None:
    gate = Gate()
    async with (
        a_service(gate) as service,
        serving(a_policy(service.url, listen={"drain": "200ms"}), tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        await client.send(get())
        await gate.arrived.wait()
        sidecar.order(signal.SIGTERM)
        assert await client.ended() == b""
        assert await sidecar.ended() == 0
        told = [(record["outcome"], record["reason"]) for record in sidecar.records()]
        assert told == [("abandoned", "the sidecar shut down")]


async def test_sighup_opens_the_audit_file_again(tmp_path: Path) -> None:
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url), tmp_path) as sidecar,
    ):
        await sidecar.ask(b"/before")
        rotated = sidecar.trail.with_suffix(".1")
        async with asyncio.timeout(5):
            while not sidecar.trail.stat().st_size:  # noqa: ASYNC110 -- a file of another process
                await asyncio.sleep(0.01)
        sidecar.trail.rename(rotated)
        sidecar.order(signal.SIGHUP)
        async with asyncio.timeout(5):
            while not sidecar.trail.exists():  # noqa: ASYNC110 -- likewise
                await asyncio.sleep(0.01)
        await sidecar.ask(b"/after")
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        _start, only = [json.loads(line) for line in rotated.read_text().splitlines()]
        assert only["metadata"]["path"] == "/before"
        assert len(sidecar.records()) == 1


# --- starts that fail


@contextmanager
def a_taken_port(*options: int) -> Iterator[int]:
    with socket.socket() as holder:
        for option in options:
            holder.setsockopt(socket.SOL_SOCKET, option, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


async def test_sigterm_before_it_serves_is_kept_until_it_can_be_obeyed(tmp_path: Path) -> None:
    """The policy is a pipe: whoever opens it to write knows that it is being read."""
    policy = tmp_path / "policy.yaml"
    os.mkfifo(policy)
    async with launched([str(policy)], tmp_path / "a") as sidecar:
        async with asyncio.timeout(START_SECONDS):
            while (pipe := opened_by_a_reader(policy)) is None:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.02)
        sidecar.order(signal.SIGTERM)
        os.write(pipe, a_policy("http://127.0.0.1:1").encode())
        os.close(pipe)
        assert await sidecar.ended() == 0
    assert any("-> http://127.0.0.1:1" in line for line in sidecar.said)


def opened_by_a_reader(pipe: Path) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
    return None


@pytest.mark.parametrize(
    ("name", "options", "workers"),
    [
        pytest.param("proxy", (), 1, id="proxy"),
        pytest.param("proxy", (socket.SO_REUSEPORT,), 1, id="proxy, shared by another"),
        pytest.param("proxy", (socket.SO_REUSEPORT,), 2, id="workers, shared by another"),
        pytest.param("admin", (), 1, id="admin"),
        pytest.param("health", (), 2, id="health of workers"),
    ],
)
async def test_a_port_that_is_taken_is_one_line_and_status_3(
    name: str, options: tuple[int, ...], workers: int, tmp_path: Path, free_port: FreePort
) -> None:
    with a_taken_port(*options) as port:
        listen = {"proxy": f"127.0.0.1:{free_port()}", name: f"127.0.0.1:{port}"}
        (tmp_path / "p.yaml").write_text(
            a_policy("http://127.0.0.1:1", listen=listen, workers=workers)
        )
        async with launched([str(tmp_path / "p.yaml")], tmp_path / "a") as sidecar:
            assert await sidecar.ended() == 3
        [line] = sidecar.said
        assert str(port) in line
        assert line.startswith("sidecar: ")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("version: 1\nupstream: http://127.0.0.1:1\nroutes: []\n", 1, id="no routes"),
        pytest.param("version: [", 1, id="no YAML"),
        pytest.param(None, 2, id="no file"),
    ],
)
async def test_a_policy_that_cannot_be_used_starts_nothing(
    text: str | None, status: int, tmp_path: Path
) -> None:
    name = tmp_path / "policy.yaml"
    if text is not None:
        name.write_text(text)
    async with launched([str(name)], tmp_path / "a") as sidecar:
        assert await sidecar.ended() == status
    assert "policy.yaml" in sidecar.said[0]
    assert not any("Traceback" in line for line in sidecar.said)


async def test_an_audit_file_that_cannot_be_opened_starts_nothing(tmp_path: Path) -> None:
    audit = {"sinks": [{"file": str(tmp_path / "missing" / "audit.jsonl")}]}
    name = tmp_path / "policy.yaml"
    name.write_text(a_policy("http://127.0.0.1:1", audit=audit))
    async with launched([str(name)], tmp_path / "a") as sidecar:
        assert await sidecar.ended() == 3
    [line] = sidecar.said
    assert "missing" in line


def test_neither_and_both_of_policy_and_upstream_are_a_mistake(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(a_policy("http://127.0.0.1:1"))
    assert invoke(["run"]) == 2
    assert invoke(["run", str(policy), "--upstream", "http://127.0.0.1:1"]) == 2


async def test_an_upstream_alone_is_enough_to_run(tmp_path: Path) -> None:
    """The policy `try` has fixed ports; another program of this machine may hold them."""
    async with (
        a_service(Echo()) as service,
        launched(["--upstream", service.url], tmp_path / "a") as sidecar,
    ):
        await sidecar.says("sidecar: ")
        if "cannot listen" in sidecar.said[0]:
            assert await sidecar.ended() == 3
            return
        await sidecar.started()
        await sidecar.says("policy `try`")
        assert await sidecar.ask(b"/x") == 200
        sidecar.order(signal.SIGINT)
        assert await sidecar.ended() == 0


# --- memory


ADMIN = {"tokens": [{"name": "ops", "token": "0123456789abcdef", "role": "admin"}]}


def mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize(
    ("more", "is_there"), [({}, False), ({"admin": ADMIN, "state": "memory"}, True)]
)
async def test_what_decodes_policies_is_in_memory_only_for_an_admin_api(
    tmp_path: Path, more: Mapping[str, object], *, is_there: bool
) -> None:
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, **more), tmp_path) as sidecar,
    ):
        assert ("_pydantic_core" in mapped(sidecar.child.pid)) == is_there
        assert "uvloop" in mapped(sidecar.child.pid)


async def test_a_large_body_passes_in_little_memory(tmp_path: Path) -> None:
    size = 64 << 20

    async def serve(peer: Peer) -> None:
        while peer.waiting or await peer.more():
            head = await peer.head()
            if head.startswith(b"GET"):
                await peer.send(ok(size))
                for _ in range(size >> 18):
                    await peer.send(bytes(1 << 18))
                continue
            received = len(peer.waiting)
            peer.waiting = b""
            while received < size:
                received += len(await peer.reader.read(1 << 18))
            await peer.send(ok(0))

    async with (
        a_service(serve) as service,
        serving(a_policy(service.url, body={"max": "1GB"}), tmp_path) as sidecar,
        a_client(sidecar.port) as client,
    ):
        before = sidecar.rss_bytes
        await client.send(get(b"/", b"Content-Length: %d" % size, method=b"POST"))
        for _ in range(size >> 18):
            await client.send(bytes(1 << 18))
        assert (await client.response()).status == 200
        await client.send(get())
        await client.head()
        received = len(client.waiting)
        while received < size:
            received += len(await client.reader.read(1 << 18))
        assert sidecar.rss_bytes - before < 20 << 20
