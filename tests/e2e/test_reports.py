"""Reports of browsers over real sockets: taken, counted, and never seen by the service."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import entry_of
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

pytestmark = pytest.mark.control("RS-2")

TYPE = b"Content-Type: application/csp-report"
REPORTS = b"/.sidecar/reports"
REPORT = json.dumps(
    {
        "csp-report": {
            "document-uri": "https://shop.example/cart?token=7f3a",
            "effective-directive": "script-src",
            "blocked-uri": "https://evil.example/x.js",
            "disposition": "enforce",
        }
    }
).encode()


async def test_reports_are_taken_and_counted_and_the_service_hears_nothing() -> None:
    service = Echo()
    chunked = get(REPORTS, TYPE, b"Transfer-Encoding: chunked", method=b"POST")
    half = len(REPORT) // 2
    async with (
        a_service(service) as upstream,
        running(a_policy(upstream.url, reports={}, csp="default-src 'self'")) as proxy,
        a_client(proxy.port) as client,
    ):
        whole = await client.ask(post(REPORT, REPORTS, TYPE))
        await client.send(chunked)
        for piece in (REPORT[:half], REPORT[half:]):
            await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await client.send(b"0\r\n\r\n")
        in_chunks = await client.response(b"POST")
        page = await client.ask(get())
        trail = [entry_of(record) for record in await proxy.records()]
        count = proxy.gauge("sidecar_csp_reports_total", "script-src", "enforce")
    assert [(a.status, a.body) for a in (whole, in_chunks)] == [(204, b""), (204, b"")]
    assert page.values(b"reporting-endpoints") == [b'sidecar="/.sidecar/reports"']
    assert count == 2
    assert {(e.outcome, e.status, e.reason) for e in trail[:2]} == {("answered", 204, "reports")}
    assert b"csp-report" not in page.body


@pytest.mark.parametrize(
    ("body", "lines", "status"),
    [
        (b"{}", (TYPE,), 400),
        (b"", (TYPE,), 400),
        (b"[" * 16_000, (TYPE,), 400),
        (b"x" * 16_385, (TYPE,), 413),
        (REPORT, (b"Content-Type: text/plain",), 415),
    ],
)
async def test_what_is_no_report_is_refused(
    body: bytes, lines: tuple[bytes, ...], status: int
) -> None:
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, reports={})) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(post(body, REPORTS, *lines))
        trail = [entry_of(record) for record in await proxy.records()]
    assert answer.status == status
    assert [(e.outcome, e.status) for e in trail] == [("refused", status)]


async def test_a_body_that_grows_beyond_the_bound_is_cut_off() -> None:
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, reports={})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(get(REPORTS, TYPE, b"Transfer-Encoding: chunked", method=b"POST"))
        await client.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n", b"2001\r\n" + b"x" * 0x2001)
        assert (await client.response(b"POST")).status == 413
        await proxy.rests()


async def test_whoever_leaves_in_the_middle_is_forgotten() -> None:
    async with a_service(Echo()) as upstream, running(a_policy(upstream.url, reports={})) as proxy:
        async with a_client(proxy.port) as client:
            await client.send(get(REPORTS, TYPE, b"Content-Length: 99", method=b"POST"), b"{")
            await proxy.becomes(1, 1, 0, 0)
        await proxy.rests()
        trail = [entry_of(record) for record in await proxy.records()]
    assert len(trail) == 1


async def test_many_reports_of_one_address_are_too_many() -> None:
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, reports={})) as proxy,
        a_client(proxy.port) as client,
    ):
        answers = [await client.ask(post(REPORT, REPORTS, TYPE)) for _ in range(130)]
    # Two minutes at the most have begun since.
    assert 429 in {answer.status for answer in answers}


async def test_the_audit_has_reports_where_the_policy_says_so(tmp_path: Path) -> None:
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, reports={"audit": True}), tmp_path) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(post(REPORT, REPORTS, TYPE))
        trail = await proxy.records()
    [event] = [record for record in trail if record["action"] == "csp.report"]
    assert (event["resource_id"], event["ip_address"]) == ("script-src", "127.0.0.1")
    assert event["metadata"] == {
        "details": {
            "disposition": "enforce",
            "document": "https://shop.example/cart",
            "blocked": "https://evil.example",
        }
    }


async def test_two_requests_on_one_connection_are_answered_in_order() -> None:
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, reports={})) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.send(post(REPORT, REPORTS, TYPE) + get(b"/next"))
        first = await client.response(b"POST")
        second = await client.response()
    assert (first.status, second.status) == (204, 200)


async def test_whoever_leaves_before_the_answer_is_forgotten_too() -> None:
    async with a_service(Echo()) as upstream, running(a_policy(upstream.url, reports={})) as proxy:
        async with a_client(proxy.port) as client:
            await client.send(post(REPORT, REPORTS, TYPE))
            client.reset()
        await proxy.rests()
        trail = [entry_of(record) for record in await proxy.records()]
    assert [entry.outcome in {"answered", "abandoned"} for entry in trail] == [True]
