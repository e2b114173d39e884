"""Spans of what went wrong, and what a collector that does not help must not hold up."""

import asyncio
import signal
from pathlib import Path

import pytest

from sidecar.adapters.telemetry.spans import CLOSE_SECONDS
from tests.e2e.collector import CLIENT, ERROR, SERVER, a_collector
from tests.e2e.launch import serving
from tests.e2e.test_spans import seen, the
from tests.e2e.traces import LOCAL, PARENT, PATIENT, traced
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, answers, get, ok, post


async def test_a_service_that_fails_is_an_error_of_both_spans() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async with (
        a_collector() as collector,
        a_service(hang_up) as service,
        traced(service.url, otlp=collector.url) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(post(b"x", b"/", PARENT))).status == 502
        spans = await collector.has(2)
        server, wait = the(SERVER, spans), the(CLIENT, spans)
        assert server.status.code == wait.status.code == ERROR
        assert seen(server)["error.type"] == seen(wait)["error.type"]
        assert seen(server)["sidecar.refusal.step"] == "upstream"
        assert "http.response.status_code" not in seen(wait)


@pytest.mark.parametrize(("status", "failed"), [(404, [CLIENT]), (500, [SERVER, CLIENT])])
async def test_a_service_that_says_no_is_an_error_of_whom_the_conventions_say(
    status: int, failed: list[int]
) -> None:
    response = b"HTTP/1.1 %d Oh\r\nContent-Length: 0\r\n\r\n" % status
    async with (
        a_collector() as collector,
        a_service(answers(response)) as service,
        traced(service.url, otlp=collector.url) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/", PARENT))).status == status
        spans = await collector.has(2)
        for kind in (SERVER, CLIENT):
            span = the(kind, spans)
            is_error = span.status.code == ERROR
            assert is_error is (kind in failed)
            assert seen(span).get("error.type") == (str(status) if is_error else None)
            assert seen(span)["http.response.status_code"] == status


async def test_an_answer_that_breaks_off_is_an_error_though_it_began_with_200() -> None:
    async with (
        a_collector() as collector,
        a_service(answers(ok(100) + b"abc")) as service,
        traced(service.url, otlp=collector.url) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(b"/", PARENT))
        await client.ended()
        for span in await collector.has(2):
            assert span.status.code == ERROR
            assert seen(span)["error.type"] == "BAD_GATEWAY"
            assert seen(span)["http.response.status_code"] == 200


async def test_the_last_records_do_not_wait_for_a_collector_that_does_not_answer(
    tmp_path: Path,
) -> None:
    async with a_collector(is_open=False) as collector, a_service(Echo()) as service:
        policy = a_policy(
            service.url,
            listen=LOCAL,
            tracing={"otlp": collector.url, "sample": 1, "timeout": PATIENT},
            audit={"flush": "60s"},
        )
        async with serving(policy, tmp_path) as sidecar:
            assert await sidecar.ask() == 200
            sidecar.order(signal.SIGTERM)
            async with asyncio.timeout(CLOSE_SECONDS - 1):
                while not sidecar.records():  # noqa: ASYNC110 -- a file of another process
                    await asyncio.sleep(0.02)
            collector.is_open.set()
            assert await sidecar.ended() == 0
