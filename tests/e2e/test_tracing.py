"""Traces over the wire: from the client through the sidecar to the service."""

from collections.abc import Mapping

import pytest

from tests.e2e.conftest import running
from tests.e2e.traces import LOCAL, PARENT, SPAN, STATE, TRACE, told, trace_of_record, traced
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get


@pytest.mark.control("TN-1")
@pytest.mark.parametrize(
    ("listen", "trust", "goes_on"),
    [
        pytest.param(LOCAL, "trusted_proxies", True, id="a trusted proxy"),
        pytest.param({}, "trusted_proxies", False, id="a stranger"),
        pytest.param({}, "any", True, id="a stranger, where all are trusted"),
        pytest.param(LOCAL, "none", False, id="a trusted proxy, where nobody is"),
    ],
)
async def test_a_trace_goes_on_through_the_sidecar_if_its_caller_is_trusted(
    listen: Mapping[str, object], trust: str, *, goes_on: bool
) -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        traced(service.url, listen, trust=trust, sample=0) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", PARENT, STATE))
        trace_id, parent, is_recorded = told(echo)
        assert parent != SPAN
        assert (trace_id == TRACE) is goes_on
        assert is_recorded is goes_on
        expected = [b"vendor=a:1,other=2"] if goes_on else []
        assert echo.requests[-1].values(b"tracestate") == expected
        assert await trace_of_record(proxy) == trace_id.decode()


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="none"),
        pytest.param((PARENT, PARENT), id="two"),
        pytest.param((PARENT, PARENT.replace(b"traceparent", b"TraceParent")), id="two spellings"),
        pytest.param((PARENT.replace(b"00-", b"ff-", 1),), id="version ff"),
        pytest.param((PARENT + b"-more",), id="version 00 with more"),
        pytest.param((PARENT.replace(TRACE, b"0" * 32),), id="zeros"),
        pytest.param((PARENT.replace(TRACE, TRACE.upper()),), id="capitals"),
        pytest.param((PARENT + b"-" + b"x" * 4000,), id="oversized"),
        pytest.param((b"traceparent:",), id="empty"),
    ],
)
async def test_a_broken_parent_begins_a_trace_and_never_refuses(lines: tuple[bytes, ...]) -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        traced(service.url) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/", STATE, *lines))).status == 200
        assert told(echo)[0] not in {TRACE, b"0" * 32}
        assert echo.requests[-1].values(b"tracestate") == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param([b"a=1", b"b=2"], [b"a=1,b=2"], id="two lines become one"),
        pytest.param([b",".join(b"k%d=1" % n for n in range(33))], [], id="33 members"),
        pytest.param([b"A=1"], [], id="a key that is none"),
    ],
)
async def test_the_list_never_breaks_the_trace(state: list[bytes], expected: list[bytes]) -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        traced(service.url) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", PARENT, *(b"tracestate: " + one for one in state)))
        assert told(echo)[0] == TRACE
        assert echo.requests[-1].values(b"tracestate") == expected


async def test_a_later_version_is_read_and_ours_is_written() -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        traced(service.url) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", PARENT.replace(b"00-", b"cc-", 1) + b"-more"))
        assert told(echo)[::2] == (TRACE, True)


async def test_nobody_drops_our_field_by_naming_it_in_connection() -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        traced(service.url) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", b"Connection: traceparent, keep-alive"))
        assert told(echo)[0]


async def test_without_the_section_trace_fields_pass_as_they_came() -> None:
    echo = Echo()
    odd = b"traceparent: Not-One, at all"
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, listen=LOCAL)) as proxy,
        a_client(proxy.port) as client,
    ):
        await client.ask(get(b"/", odd, b"TraceState: x y z", b"baggage: a=1"))
        assert echo.requests[-1].values(b"traceparent") == [b"Not-One, at all"]
        assert echo.requests[-1].values(b"tracestate") == [b"x y z"]
        assert echo.requests[-1].values(b"baggage") == [b"a=1"]
        assert await trace_of_record(proxy) is None


async def test_a_refused_request_is_part_of_its_trace() -> None:
    async with (
        a_service(Echo()) as service,
        running(
            a_policy(service.url, listen=LOCAL, tracing={}, routes=[{"path": "/a", "public": True}])
        ) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/nowhere", PARENT))).status == 404
        assert await trace_of_record(proxy) == TRACE.decode()
