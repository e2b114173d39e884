"""A gigabyte up and a gigabyte down; the sidecar's memory must not notice."""

import hashlib
import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.programs import Program, free_port, running, sidecar

GIGABYTE = 1_000_000_000
BLOCK = bytes(range(256)) * 256
GROWTH_BYTES = 20_000_000
SERVICE = """
import asyncio, sys
from sidecar.fronts.demo.upstream import serving

async def main(port):
    async with serving(port=port):
        await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1])))
"""
POLICY = """
version: 1
listen: {proxy: '127.0.0.1:PORT', admin: '127.0.0.1:ADMIN'}
upstream: 'http://127.0.0.1:SERVICE'
body: {max: 2GB}
audit: {sinks: [{file: 'AUDIT'}]}
routes:
  - {path: /**, public: true}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    command = [sys.executable, "-c", SERVICE, str(port)]
    with running(command, port, tmp_path / "service.log") as program:
        yield program


@pytest.fixture
def guard(service: Program, tmp_path: Path) -> Iterator[Program]:
    audit = str(tmp_path / "audit.jsonl")
    policy = POLICY.replace("SERVICE", str(service.port)).replace("AUDIT", audit)
    with sidecar(policy, tmp_path) as program:
        yield program


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_gigabyte_goes_up_in_constant_memory(guard: Program, *, is_chunked: bool) -> None:
    _upload(guard, 50_000_000, is_chunked=is_chunked)
    before = guard.rss_bytes
    guard.forget_peak()
    size_bytes, digest = _upload(guard, GIGABYTE, is_chunked=is_chunked)
    assert size_bytes == GIGABYTE
    assert digest == _digest(GIGABYTE)
    assert guard.peak_rss_bytes - before < GROWTH_BYTES


@pytest.mark.timeout(600)
def test_a_gigabyte_comes_down_in_constant_memory(guard: Program) -> None:
    _download(guard, 50_000_000)
    before = guard.rss_bytes
    guard.forget_peak()
    assert _download(guard, GIGABYTE) == _digest(GIGABYTE)
    assert guard.peak_rss_bytes - before < GROWTH_BYTES


@pytest.mark.timeout(300)
def test_a_reader_that_stops_does_not_fill_the_sidecar(guard: Program) -> None:
    before = guard.rss_bytes
    guard.forget_peak()
    connection = http.client.HTTPConnection(*guard.origin, timeout=30)
    connection.request("GET", f"/download?bytes={GIGABYTE}")
    response = connection.getresponse()
    response.read(1_000_000)
    # Nothing is read for a while: what the service sends must stay in front of the sidecar.
    other = http.client.HTTPConnection(*guard.origin, timeout=30)
    for _ in range(200):
        other.request("GET", "/api/items")
        assert other.getresponse().read()
    assert guard.peak_rss_bytes - before < GROWTH_BYTES
    other.close()
    response.close()
    connection.close()


def _upload(guard: Program, size_bytes: int, *, is_chunked: bool) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*guard.origin, timeout=60)
    fields = {} if is_chunked else {"Content-Length": str(size_bytes)}
    blocks = _blocks(size_bytes)
    connection.request("POST", "/upload", blocks, fields, encode_chunked=is_chunked)
    seen = json.loads(connection.getresponse().read())
    connection.close()
    return seen["bytes"], seen["sha256"]


def _download(guard: Program, size_bytes: int) -> str:
    connection = http.client.HTTPConnection(*guard.origin, timeout=60)
    connection.request("GET", f"/download?bytes={size_bytes}")
    response, digest = connection.getresponse(), hashlib.sha256()
    while block := response.read(1 << 18):
        digest.update(block)
    connection.close()
    return digest.hexdigest()


def _blocks(size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, len(BLOCK)):
        yield BLOCK[: size_bytes - start]


def _digest(size_bytes: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks(size_bytes):
        digest.update(block)
    return digest.hexdigest()
