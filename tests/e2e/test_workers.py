"""Several worker processes behind one port: counted, replaced and stopped as one."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.launch import Launched, launched, serving
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

FreePort = Callable[[], int]


@asynccontextmanager
async def two_workers(folder: Path, port: int) -> AsyncIterator[Launched]:
    listen = {"proxy": f"127.0.0.1:{port}", "drain": "1s"}
    async with (
        a_service(Echo()) as service,
        serving(a_policy(service.url, workers=2, listen=listen), folder) as sidecar,
    ):
        await sidecar.becomes_ready()
        yield sidecar


@asynccontextmanager
async def with_a_disk_that_is_full(folder: Path, port: int) -> AsyncIterator[Launched]:
    full = {"file": "/dev/full", "queue": "4KB", "on_full": "block"}
    listen = {"proxy": f"127.0.0.1:{port}", "drain": "1s"}
    name = folder / "policy.yaml"
    async with a_service(Echo()) as service:
        name.write_text(a_policy(service.url, workers=2, listen=listen, audit={"sinks": [full]}))
        async with launched([str(name)], folder / "none") as sidecar:
            await sidecar.started()
            await sidecar.becomes_ready()
            yield sidecar


async def reasons_once_full(sidecar: Launched) -> object:
    """Ask until no more is taken, and read why it is not ready."""
    async with a_client(sidecar.port) as client:
        while (await client.ask(get(b"/" + b"a" * 2000))).status == 200:
            pass
    await sidecar.becomes_ready(ready=False)
    answer = await sidecar.ask_admin(b"/readyz")
    return json.loads(answer[1])["reasons"]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 -- not our children
            await asyncio.sleep(0.02)


async def test_workers_share_a_port_are_counted_as_one_and_drain_together(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        assert len(sidecar.workers()) == 2
        for _ in range(10):
            assert await asyncio.gather(*(sidecar.ask() for _ in range(20))) == [200] * 20
        assert await sidecar.count("sidecar_requests_total{") == 200
        by_worker = [
            line
            for line in (await sidecar.ask_admin(b"/metrics"))[1].decode().splitlines()
            if line.startswith("process_start_time_seconds{")
        ]
        assert len(by_worker) == 2
        workers = sidecar.workers()
        async with a_client(sidecar.port) as client:
            assert (await client.ask(get())).status == 200
            sidecar.order(signal.SIGTERM)
            assert await client.ended() == b""
        assert await sidecar.ended() == 0
        await gone(workers)
        assert len(sidecar.records()) == 201


async def test_a_worker_that_is_killed_is_replaced_and_its_counts_stay(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        for _ in range(40):
            assert await sidecar.ask() == 200
        assert await sidecar.count("sidecar_requests_total{") == 40
        before = sidecar.workers()
        os.kill(before[0], signal.SIGKILL)
        await sidecar.becomes_ready(ready=False)
        assert b"worker" in (await sidecar.ask_admin(b"/readyz"))[1]
        # Nor do the sums fall meanwhile: Prometheus would count all of them a second time.
        while (await sidecar.ask_admin(b"/readyz"))[0] == 503:
            assert (await sidecar.ask_admin(b"/metrics"))[0] == 200
            assert await sidecar.count("sidecar_requests_total{") == 40
        assert await sidecar.ask() == 200
        await sidecar.becomes_ready()
        assert len(set(sidecar.workers()) - set(before)) == 1
        assert await sidecar.count("sidecar_requests_total{") == 41
        assert await sidecar.count("sidecar_worker_restarts_total ") == 1
        await sidecar.says("ended with status -9")


async def test_a_replaced_worker_serves_the_policy_of_the_others_whatever_the_file_has_become(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        (tmp_path / "policy.yaml").write_text("version: [")
        for worker in sidecar.workers():
            os.kill(worker, signal.SIGKILL)
        await sidecar.becomes_ready(ready=False)
        await sidecar.becomes_ready()
        assert await sidecar.ask() == 200


async def test_workers_end_when_their_supervisor_is_killed(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        workers = sidecar.workers()
        sidecar.order(signal.SIGKILL)
        await gone(workers)


async def test_a_stop_during_a_replacement_is_not_forgotten(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        for pid in sidecar.workers():
            os.kill(pid, signal.SIGKILL)
        await sidecar.becomes_ready(ready=False)
        sidecar.order(signal.SIGTERM)
        async with asyncio.timeout(8):
            assert await sidecar.ended() == 0


async def test_a_worker_that_does_not_answer_holds_up_neither_metrics_nor_the_next_answer(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        for _ in range(10):
            await sidecar.ask()
        assert await sidecar.count("sidecar_requests_total{") == 10
        stopped = sidecar.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        assert (await sidecar.ask_admin(b"/metrics"))[0] == 200
        assert await sidecar.count("sidecar_requests_total{") == 10
        os.kill(stopped, signal.SIGCONT)
        # The late answer to the first question is not taken for that to the second.
        for _ in range(2):
            assert await sidecar.count("sidecar_requests_total{") == 10


async def test_records_of_what_operators_try_are_counted_with_those_of_the_workers(
    tmp_path: Path, free_port: FreePort
) -> None:
    listen = {"proxy": f"127.0.0.1:{free_port()}", "drain": "1s"}
    (tmp_path / "token").write_text("0123456789abcdef" * 4)
    tokens = [{"name": "ops", "token": f"file:{tmp_path / 'token'}", "role": "read"}]
    async with a_service(Echo()) as service:
        policy = a_policy(service.url, workers=2, listen=listen, admin={"tokens": tokens})
        async with serving(policy, tmp_path) as sidecar:
            await sidecar.becomes_ready()
            before = await sidecar.count("sidecar_audit_records_total{")
            for _ in range(3):
                assert (await sidecar.ask_admin(b"/v1/status"))[0] == 401
            async with asyncio.timeout(10):
                while await sidecar.count("sidecar_audit_records_total{") < before + 3:  # noqa: ASYNC110 -- from outside
                    await asyncio.sleep(0.02)
            assert await sidecar.count("sidecar_audit_records_total{") == before + 3


async def test_sighup_reaches_every_worker(tmp_path: Path, free_port: FreePort) -> None:
    async with two_workers(tmp_path, free_port()) as sidecar:
        sidecar.trail.rename(tmp_path / "rotated")
        sidecar.order(signal.SIGHUP)
        async with asyncio.timeout(5):
            while not sidecar.trail.exists():  # noqa: ASYNC110 -- a file of another process
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        for _ in range(20):
            await sidecar.ask()
        sidecar.order(signal.SIGTERM)
        assert await sidecar.ended() == 0
        assert len(sidecar.records()) == 20


async def test_what_workers_are_missing_is_still_asked_after_one_was_replaced(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with with_a_disk_that_is_full(tmp_path, free_port()) as sidecar:
        # The third one in a row is started again after two seconds: it is asked meanwhile.
        for at in (0, -1, -1):
            os.kill(sidecar.workers()[at], signal.SIGKILL)
            await sidecar.becomes_ready(ready=False)
            await sidecar.becomes_ready()
        assert await reasons_once_full(sidecar) == ["the audit sink /dev/full is full"]


async def test_what_a_worker_is_missing_is_said_by_all_of_them_together(
    tmp_path: Path, free_port: FreePort
) -> None:
    async with with_a_disk_that_is_full(tmp_path, free_port()) as sidecar:
        assert await reasons_once_full(sidecar) == ["the audit sink /dev/full is full"]
