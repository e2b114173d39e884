"""Traces as tests look at them."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.e2e.conftest import Running, running
from tests.e2e.wire import Echo, a_policy

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
PARENT = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01"
UNSAMPLED = PARENT[:-2] + b"00"
STATE = b"tracestate: vendor=a:1, other=2"
PATIENT = "20s"
"""For collectors that answer: a busy machine may take longer than the default."""
LOCAL = {"trusted_proxies": ["127.0.0.0/8"]}
OURS = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")


@asynccontextmanager
async def traced(
    upstream: str, listen: Mapping[str, object] = LOCAL, **tracing: object
) -> AsyncIterator[Running]:
    if "otlp" in tracing:
        tracing = {"timeout": PATIENT, **tracing}
    async with running(a_policy(upstream, listen=listen, tracing=tracing)) as proxy:
        yield proxy


def told(echo: Echo) -> tuple[bytes, bytes, bool]:
    """Read what the service was told last: trace, parent, and whether it is recorded."""
    (value,) = echo.requests[-1].values(b"traceparent")
    found = OURS.fullmatch(value)
    assert found is not None
    return found[1], found[2], found[3] == b"1"


async def trace_of_record(proxy: Running) -> object:
    metadata = (await proxy.records())[-1]["metadata"]
    assert isinstance(metadata, Mapping)
    return metadata.get("trace_id")
