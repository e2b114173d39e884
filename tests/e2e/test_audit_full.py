"""A sink that nobody reads: what the policy says is what clients see."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.policy.schema.audit import FileSink
from tests.adapters.audit.test_full import Fifo
from tests.adapters.audit.test_writer import until
from tests.e2e.conftest import running
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    pipe = Fifo(tmp_path / "fifo")
    yield pipe
    pipe.close()


@pytest.mark.control("AU-1")
async def test_a_sink_that_blocks_has_new_requests_refused_until_there_is_room(fifo: Fifo) -> None:
    section = {"file": str(fifo.name), "queue": "32KiB", "on_full": "block"}
    sink = FileSink.model_validate(section)
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url), sink=sink) as proxy,
        a_client(proxy.port) as client,
    ):
        blocked = ("sidecar_audit_blocked", str(fifo.name))
        sent = 0
        while (await client.ask(get(b"/"))).status == 200:
            sent += 1
            assert sent < 5000
            if sent % 50 == 0:
                proxy.sidecar.proxy.audit.flush()
        assert len(echo.requests) == sent
        assert proxy.gauge(*blocked) == 1
        assert list(proxy.sidecar.is_ready()) == [f"the audit sink {fifo.name} is full"]
        assert (await client.ask(get(b"/"))).status == 503

        await until(lambda: fifo.read() and not proxy.gauge(*blocked))
        assert not proxy.sidecar.is_ready()
        assert (await client.ask(get(b"/"))).status == 200
        proxy.sidecar.proxy.audit.flush()
        ledger = proxy.sidecar.proxy.audit.sinks[0]
        await until(lambda: fifo.read() and not ledger.waiting)
        fifo.read()
        records = [r for r in fifo.records() if r["action"] == "request"]
        assert len(records) == sent + 3
        refused = [r for r in records if r["outcome"] == "refused"]
        assert [r["reason"] for r in refused] == [f"the audit sink {fifo.name} is full"] * 2
        assert [r["metadata"]["code"] for r in refused] == ["OVERLOADED"] * 2
        assert ledger.dropped == 0


@pytest.mark.parametrize("rule", ["drop", "spill"])
async def test_other_rules_let_requests_pass(fifo: Fifo, rule: str, tmp_path: Path) -> None:
    spill = {"file": os.fspath(tmp_path / "spill")}
    section = {"file": str(fifo.name), "queue": "32KiB", "on_full": rule, "spill": spill}
    sink = FileSink.model_validate(section)
    async with (
        a_service(Echo.new()) as service,
        running(a_policy(service.url), sink=sink) as proxy,
        a_client(proxy.port) as client,
    ):
        (writer,) = proxy.sidecar.proxy.audit.sinks
        sent = 0
        # A slow disk may have some dropped on their way to it: the way is as short as the queue.
        while not (writer.spilled if rule == "spill" else writer.dropped):
            assert (await client.ask(get(b"/"))).status == 200
            sent += 1
            assert sent < 5000
        assert not proxy.sidecar.is_ready()
        assert (writer.spilled > 0) is (rule == "spill")
        await until(lambda: fifo.read() and not writer.waiting + writer.on_disk)
