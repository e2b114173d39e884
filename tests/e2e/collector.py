"""A collector of spans: OTLP over HTTP on a real socket, read as its protocol is defined."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

# Whoever sends spans imports this before it serves: a test's loop would wait for it.
import sidecar.adapters.telemetry.otlp  # noqa: F401 -- for what the import does

PATIENCE_SECONDS = 20.0
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
ERROR = SpanStatus.STATUS_CODE_ERROR


@dataclass(slots=True)
class Collector:
    """What came.

    Attributes:
        url: where spans are taken.
        spans: all spans, in the order in which they came.
        resources: attributes of each batch's resource.
        headers: header fields of each batch.
        bodies: each batch as it came.
        status: what batches are answered with.
        is_open: batches are answered while it is set.
    """

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[Mapping[str, object]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        """Take one batch."""
        body = await request.read()
        await self.is_open.wait()
        async with self.came:
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self.bodies.append(body)
            for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes_of(batch.resource.attributes))
                for scope in batch.scope_spans:
                    self.spans += scope.spans
            self.came.notify_all()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(status=self.status, body=answer, content_type="application/x-protobuf")

    async def has(self, spans: int) -> list[Span]:
        """Wait until so many spans came."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.came:
            await self.came.wait_for(lambda: len(self.spans) >= spans)
        assert len(self.spans) == spans
        return self.spans

    async def asked(self, batches: int) -> None:
        """Wait until so many batches came."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.came:
            await self.came.wait_for(lambda: len(self.bodies) >= batches)


def attributes_of(pairs: object) -> Mapping[str, object]:
    """Read attributes as a mapping."""
    read: dict[str, object] = {}
    for pair in pairs:  # type: ignore[attr-defined]  # a repeated field of protobuf
        assert isinstance(pair, KeyValue)
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        read[pair.key] = getattr(pair.value, kind)
    return read


@asynccontextmanager
async def a_collector(*, is_open: bool = True) -> AsyncIterator[Collector]:
    """Run a collector for the length of a test."""
    collector = Collector()
    if is_open:
        collector.is_open.set()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    collector.url = f"http://{host}:{port}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()
