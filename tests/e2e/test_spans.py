"""Spans over the wire: what a collector gets of requests, and what happens without one."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.collector import CLIENT, ERROR, SERVER, a_collector, attributes_of
from tests.e2e.conftest import running
from tests.e2e.launch import serving
from tests.e2e.reloading import loaded_again
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.traces import LOCAL, PARENT, PATIENT, SPAN, STATE, TRACE, UNSAMPLED, told, traced
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

FreePort = Callable[[], int]


def the(kind: int, spans: list[Span]) -> Span:
    (found,) = [span for span in spans if span.kind == kind]
    return found


def seen(span: Span) -> Mapping[str, object]:
    return attributes_of(span.attributes)


# --- what the collector gets


async def test_a_request_is_a_span_around_the_wait_for_the_service() -> None:
    echo = Echo()
    async with (
        a_collector() as collector,
        a_service(echo) as service,
        traced(service.url, otlp=collector.url) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get(b"/orders/7?token=hidden-query", PARENT, STATE))
        spans = await collector.has(2)
        server, wait = the(SERVER, spans), the(CLIENT, spans)
        assert {span.trace_id.hex().encode() for span in spans} == {TRACE}
        assert server.parent_span_id.hex().encode() == SPAN
        assert wait.parent_span_id == server.span_id
        assert wait.span_id.hex().encode() == told(echo)[1]
        assert server.trace_state == "vendor=a:1,other=2"
        assert server.start_time_unix_nano <= wait.start_time_unix_nano
        assert wait.end_time_unix_nano <= server.end_time_unix_nano
        assert (server.name, wait.name) == ("GET /**", "GET")
        (request_id,) = answer.values(b"x-request-id")
        assert seen(server) == {
            "http.request.method": "GET",
            "http.route": "/**",
            "http.response.status_code": 200,
            "url.path": "/orders/7",
            "url.scheme": "http",
            "server.address": "a.example",
            "network.protocol.version": "1.1",
            "sidecar.outcome": "admitted",
            "sidecar.request_id": request_id.decode(),
        }
        assert seen(wait) == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": service.port,
            "network.protocol.version": "1.1",
        }


async def test_spans_say_on_whose_behalf_they_come() -> None:
    resource = {"region": "eu"}
    async with (
        a_collector() as collector,
        a_service(Echo()) as service,
        traced(service.url, otlp=collector.url, service_name="edge", resource=resource) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", PARENT))
        await collector.has(2)
        (found,) = collector.resources
        assert found["service.name"] == "edge"
        assert found["region"] == "eu"
        assert found["service.instance.id"]


async def test_a_refusal_says_its_code_and_step_and_waits_for_nobody() -> None:
    async with (
        a_collector() as collector,
        a_service(Echo()) as service,
        running(
            a_policy(
                service.url,
                listen=LOCAL,
                tracing={"otlp": collector.url},
                routes=[{"path": "/a", "public": True}],
            )
        ) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/nowhere", PARENT))
        (server,) = await collector.has(1)
        attributes = seen(server)
        assert server.name == "GET"
        assert "http.route" not in attributes
        assert attributes["http.response.status_code"] == 404
        assert attributes["sidecar.refusal.code"] == "NOT_FOUND"
        assert attributes["sidecar.refusal.step"] == "route"
        assert attributes["sidecar.outcome"] == "refused"
        assert "error.type" not in attributes
        assert server.status.code != ERROR


async def test_a_websocket_is_one_span_from_handshake_to_end() -> None:
    async with (
        a_collector() as collector,
        a_service(opens(reads)) as service,
        traced(service.url, otlp=collector.url) as proxy,
    ):
        async with a_client(proxy.port) as client:
            await client.send(get(b"/ws", *HANDSHAKE, PARENT))
            await client.head()
        server = the(SERVER, await collector.has(2))
        assert seen(server)["http.response.status_code"] == 101


@pytest.mark.parametrize(
    ("sample", "line", "expected"),
    [
        pytest.param(0, (PARENT,), 2, id="the caller records"),
        pytest.param(1, (UNSAMPLED,), 0, id="the caller does not"),
        pytest.param(1, (), 2, id="all that begin here"),
        pytest.param(0, (), 0, id="none that begins here"),
    ],
)
async def test_what_is_recorded_is_the_callers_choice_before_it_is_ours(
    sample: float, line: tuple[bytes, ...], expected: int
) -> None:
    echo = Echo()
    async with a_collector() as collector, a_service(echo) as service:
        async with (
            traced(service.url, otlp=collector.url, sample=sample) as proxy,
            a_client(proxy.port) as client,
        ):
            await client.ask(get(b"/", *line))
            assert told(echo)[2] is bool(expected)
        # Whatever was noted is sent before the sidecar ends.
        assert len(collector.spans) == expected


async def test_no_secret_and_no_body_is_in_a_span(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("collector-secret\n")
    hidden = [b"hidden-query", b"hidden-key", b"hidden-cookie", b"hidden-body", b"hidden-agent"]
    headers = {"Authorization": f"file:{tmp_path / 'token'}", "X-Org": "acme"}
    async with a_collector() as collector, a_service(Echo()) as service:
        async with (
            traced(service.url, otlp=collector.url, headers=headers) as proxy,
            a_client(proxy.port) as client,
        ):
            lines = (
                b"Authorization: Bearer hidden-key", b"Cookie: s=hidden-cookie",
                b"User-Agent: hidden-agent",
            )  # fmt: skip
            await client.ask(post(b"hidden-body", b"/?q=hidden-query", PARENT, *lines))
            await collector.has(2)
        assert collector.headers[0]["authorization"] == "collector-secret"
        assert collector.headers[0]["x-org"] == "acme"
        (body,) = collector.bodies
        assert b"/**" in body
        assert [one for one in hidden if one in body] == []


# --- a collector that does not help


async def test_a_collector_that_is_gone_is_nobodys_problem(
    free_port: FreePort, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1/traces"
    async with (
        a_service(Echo()) as service,
        traced(service.url, otlp=url, timeout="100ms") as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(3):
            failed = proxy.gauge("sidecar_traced_requests_total", "failed")
            assert (await client.ask(get(b"/", PARENT))).status == 200
            async with asyncio.timeout(10):
                while proxy.gauge("sidecar_traced_requests_total", "failed") == failed:  # noqa: ASYNC110 -- a thread sends
                    await asyncio.sleep(0.02)
        assert proxy.gauge("sidecar_traced_requests_total", "failed") == 3
        assert proxy.gauge("sidecar_traced_requests_total", "exported") == 0
    said = [record for record in caplog.records if "spans" in record.getMessage()]
    assert len(said) == 1
    assert said[0].getMessage().endswith("to the collector: [Errno 111] Connection refused")


async def test_a_collector_that_refuses_is_counted() -> None:
    async with (
        a_collector() as collector,
        a_service(Echo()) as service,
        traced(service.url, otlp=collector.url) as proxy,
        a_client(proxy.port) as client,
    ):
        collector.status = 400
        await client.ask(get(b"/", PARENT))
        await collector.asked(1)
        async with asyncio.timeout(5):
            while proxy.gauge("sidecar_traced_requests_total", "failed") != 1:  # noqa: ASYNC110 -- a thread sends
                await asyncio.sleep(0.01)


async def test_a_collector_that_never_answers_holds_up_neither_requests_nor_the_end() -> None:
    async with a_collector(is_open=False) as collector, a_service(Echo()) as service:
        async with (
            traced(service.url, otlp=collector.url, timeout="300ms") as proxy,
            a_client(proxy.port) as client,
        ):
            for _ in range(200):
                assert (await client.ask(get(b"/", PARENT))).status == 200
        collector.is_open.set()
        lost = 0.0
        async with asyncio.timeout(20):
            # A batch that was under way at the end is counted by its thread, a little later.
            while lost != 200:
                await asyncio.sleep(0.01)
                lost = sum(
                    proxy.gauge("sidecar_traced_requests_total", outcome)
                    for outcome in ("failed", "dropped")
                )
        assert proxy.gauge("sidecar_traced_requests_total", "exported") == 0


# --- another policy


async def test_what_was_counted_is_counted_under_the_next_policy_as_well(tmp_path: Path) -> None:
    def policy(share: float, url: str) -> str:
        return a_policy(url, listen=LOCAL, tracing={"otlp": collector.url, "sample": share})

    async def count(outcome: str, expected: int) -> None:
        async with asyncio.timeout(10):
            while proxy.gauge("sidecar_traced_requests_total", outcome) != expected:  # noqa: ASYNC110 -- a thread sends
                await asyncio.sleep(0.01)

    async with (
        a_collector() as collector,
        a_service(Echo()) as service,
        running(policy(1, service.url), tmp_path) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", PARENT))
        await count("exported", 1)
        collector.status = 400
        await client.ask(get(b"/", PARENT))
        await count("failed", 1)
        collector.status = 200
        another = loaded_again(policy(0.5, service.url), tmp_path)
        await (await proxy.sidecar.stage_loaded(another)).commit(-1)
        await client.ask(get(b"/", PARENT))
        await count("exported", 2)
        await count("failed", 1)


# --- processes


async def test_a_process_sends_what_it_noted_before_it_ends(tmp_path: Path) -> None:
    async with a_collector() as collector, a_service(Echo()) as service:
        policy = a_policy(
            service.url,
            listen=LOCAL,
            tracing={"otlp": collector.url, "sample": 1, "timeout": PATIENT},
        )
        async with serving(policy, tmp_path) as sidecar:
            assert [await sidecar.ask() for _ in range(5)] == [200] * 5
            sidecar.order(signal.SIGTERM)
            assert await sidecar.ended() == 0
        spans = await collector.has(10)
        traces = {span.trace_id.hex() for span in spans}
        metadata = [record["metadata"] for record in sidecar.records()]
        recorded = {one["trace_id"] for one in metadata if isinstance(one, dict)}
        assert traces == recorded
        assert len(traces) == 5


async def test_each_worker_sends_its_own(tmp_path: Path, free_port: FreePort) -> None:
    async with a_collector() as collector, a_service(Echo()) as service:
        listen = {**LOCAL, "proxy": f"127.0.0.1:{free_port()}"}
        tracing = {"otlp": collector.url, "sample": 1, "timeout": PATIENT}
        policy = a_policy(service.url, listen=listen, tracing=tracing, workers=2)
        async with serving(policy, tmp_path) as sidecar:
            await sidecar.becomes_ready()
            # The system shares connections out by chance.
            while len({one["service.instance.id"] for one in collector.resources}) < 2:
                before = len(collector.spans)
                assert await asyncio.gather(*(sidecar.ask() for _ in range(8))) == [200] * 8
                await collector.has(before + 16)
            exported = 'sidecar_traced_requests_total{outcome="exported"'
            while await sidecar.count(exported) < len(collector.spans) / 2:  # noqa: ASYNC110 -- from outside
                await asyncio.sleep(0.02)
            assert await sidecar.count(exported) == len(collector.spans) / 2


def holds_protobuf(pid: int) -> bool:
    return "google/_upb" in Path(f"/proc/{pid}/maps").read_text()


async def test_a_process_that_sends_spans_holds_their_library_and_no_other_does(
    tmp_path: Path,
) -> None:
    async def holds(tracing: Mapping[str, object]) -> bool:
        async with (
            a_service(Echo()) as service,
            serving(a_policy(service.url, **tracing), tmp_path) as sidecar,
        ):
            assert await sidecar.ask() == 200
            return holds_protobuf(sidecar.child.pid)

    async with a_collector() as collector:
        assert await holds({"tracing": {"otlp": collector.url}})
    assert not await holds({"tracing": {}})
    assert not await holds({})


_BUILT = """
import json, os, sys
from sidecar.policy.load import load
from sidecar.worker import Proxy
policy = load(sys.argv[1], lambda name: open(name, "rb").read(), os.environ)
Proxy(policy)
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(policy: str, folder: Path) -> set[str]:
    """List what a proxy of a policy imports until it could serve."""
    name = folder / "policy.yaml"
    name.write_text(policy)
    command = [sys.executable, "-W", "ignore", "-c", _BUILT, str(name)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)  # noqa: S603 -- our own interpreter
    return set(json.loads(done.stdout))


SPANS = {"sidecar.adapters.telemetry.spans", "sidecar.adapters.telemetry.otlp", "opentelemetry"}
STEPS = {"sidecar.decision.steps.trace", "sidecar.knowledge.trace_context"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param({}, set(), id="off"),
        pytest.param({"tracing": {}}, STEPS, id="traces alone"),
        pytest.param({"tracing": {"otlp": "http://127.0.0.1:9/"}}, STEPS | SPANS, id="spans"),
    ],
)
def test_whoever_has_no_use_for_it_imports_none_of_it(
    section: Mapping[str, object], expected: set[str], tmp_path: Path
) -> None:
    found = modules_of(a_policy("http://127.0.0.1:3000", **section), tmp_path)
    assert "sidecar.worker" in found
    assert found & (STEPS | SPANS) == expected
