"""Spans as OpenTelemetry has them, sent by its SDK (OTLP over HTTP).

Whoever imports this pays 15 MB and needs the extra `otel`. Attributes follow the semantic
conventions for HTTP, but for those that could hold a secret or name a person: no query, no
header field, no address of the client. Who called stands in the audit record of the trace.
"""

import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Final

from sidecar import __version__
from sidecar.adapters.telemetry.spans import Noted
from sidecar.knowledge.export import EXTRA_HINT
from sidecar.model.errors import InstallationError
from sidecar.model.trace import Trace
from sidecar.model.verdict import CLIENT_LEFT, Ending
from sidecar.policy.schema.tracing import Tracing

try:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.trace import (
        NonRecordingSpan,
        Span,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        TraceState,
        set_span_in_context,
    )

    from sidecar.adapters.telemetry.collector import Way, a_session
except ImportError as error:
    raise InstallationError(f"spans cannot be sent without OpenTelemetry: {EXTRA_HINT}") from error

COMPLAINT_SECONDS: Final = 60.0

_NANOSECONDS: Final = 1_000_000_000
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
_NO_CONTEXT: Final = Context()
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"}
)  # fmt: skip
_OTHER: Final = "_OTHER"
_UNROUTED: Final = "-"
_UNSET: Final = Status(StatusCode.UNSET)
_ERROR: Final = Status(StatusCode.ERROR)
# The environment sets none: a value that is no number would keep the sidecar from starting, and a
# short one have a line logged for each attribute.
_LIMITS: Final = SpanLimits(
    max_attributes=SpanLimits.UNSET,
    max_events=SpanLimits.UNSET,
    max_links=SpanLimits.UNSET,
    max_span_attributes=SpanLimits.UNSET,
    max_event_attributes=SpanLimits.UNSET,
    max_link_attributes=SpanLimits.UNSET,
    max_attribute_length=SpanLimits.UNSET,
    max_span_attribute_length=SpanLimits.UNSET,
)
_LOG: Final = logging.getLogger("sidecar.tracing")
_SILENT: Final = (
    # Says at each batch that it was not taken, and not why; we say why, once a minute.
    OTLPSpanExporter.__module__,
    # Says of each member of a tracestate that Level 1 of the specification does not know, and
    # that any client may send, what stands in it.
    TraceState.__module__,
)


def _is_told(_: logging.LogRecord) -> bool:
    return False


for _name in _SILENT:
    logging.getLogger(_name).addFilter(_is_told)

Attributes = Mapping[str, str | int]


class OtlpExporter:
    """Sends spans to a collector.

    Args:
        section: where they go, and on whose behalf.
        instance: tells this process from others of the same service.
    """

    def __init__(self, section: Tracing, instance: str) -> None:
        ids = self._ids = _GivenIds()
        made = self._made = _Made()
        resource = Resource(
            {
                **section.resource,
                "service.name": section.service_name,
                "service.instance.id": instance,
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
            }
        )
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            id_generator=ids,
            shutdown_on_exit=False,
            span_limits=_LIMITS,
        )
        provider.add_span_processor(made)
        self._tracer = provider.get_tracer("sidecar", __version__)
        self._way = Way(authorities_of(section))
        self._exporter = _exporter(section, self._way)
        self._next_complaint = 0.0

    def export(self, batch: Sequence[Noted]) -> bool:
        """Make the spans of a batch and send them; False when the collector did not take them."""
        for noted in batch:
            self._compose(noted)
            # The event loop may be waiting for its turn: it would else wait five milliseconds.
            time.sleep(0)
        spans = self._made.taken()
        if not spans:
            self._complain("OTEL_SDK_DISABLED switches them off")
            return False
        is_sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        # What the SDK calls success may be a redirect, or hold rejected spans.
        trouble = self._way.trouble
        if is_sent and not trouble:
            return True
        self._complain(trouble or "the batch could not be written")
        return False

    def _complain(self, trouble: str) -> None:
        """Say why, once a minute: a collector that is gone would fill the log."""
        now = time.monotonic()
        if now < self._next_complaint:
            return
        self._next_complaint = now + COMPLAINT_SECONDS
        _LOG.error("spans could not be sent to the collector: %s", trouble)

    def close(self) -> None:
        """Give up whatever is waited for."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK's gap

    def _compose(self, noted: Noted) -> None:
        """Make a span of the request, and within it one of the wait for the upstream."""
        started = int(noted.started * _NANOSECONDS)
        ended = started + int(noted.seconds * _NANOSECONDS)
        trace = noted.trace
        self._ids.trace_id = int(trace.trace_id, 16)
        method = _method(noted.method)
        server = self._tracer.start_span(
            _name_of(method, noted.route),
            context=_context_of(trace),
            kind=SpanKind.SERVER,
            attributes=_server_attributes(noted, method),
            start_time=started,
        )
        if noted.handed_over is not None:
            self._wait(noted, server, started, ended)
        server.set_status(_ERROR if _is_failed(noted) else _UNSET)
        server.end(ended)

    def _wait(self, noted: Noted, server: Span, started: int, ended: int) -> None:
        method = _method(noted.method)
        begun = started + int((noted.handed_over or 0.0) * _NANOSECONDS)
        answered = noted.upstream_seconds
        # The upstream was told this one's id before there was a span.
        self._ids.span_id = int(noted.trace.span_id, 16)
        client = self._tracer.start_span(
            _name_of(method, _UNROUTED),
            context=set_span_in_context(server, _NO_CONTEXT),
            kind=SpanKind.CLIENT,
            attributes=_client_attributes(noted, method),
            start_time=begun,
        )
        client.set_status(_ERROR if _is_failed_wait(noted) else _UNSET)
        client.end(ended if answered is None else begun + int(answered * _NANOSECONDS))


def _name_of(method: str, route: str) -> str:
    """Name a span: a method that may be anything would be a name that may be anything."""
    word = "HTTP" if method == _OTHER else method
    return word if route == _UNROUTED else f"{word} {route}"


def _is_failed(noted: Noted) -> bool:
    # An answer that was broken off has the status with which it began.
    return noted.status >= _SERVER_ERROR or noted.ending is Ending.FAILED


def _is_failed_wait(noted: Noted) -> bool:
    # Of a client span 4xx is an error too: it sent what the service does not take.
    is_answered = noted.upstream_seconds is not None and noted.ending is not Ending.FAILED
    return not is_answered or noted.status >= _CLIENT_ERROR


def authorities_of(section: Tracing) -> str | None:
    """Choose whom to trust; many systems have a folder in the place of a file."""
    system = ssl.get_default_verify_paths()
    return section.ca or system.cafile or system.capath


def _exporter(section: Tracing, way: Way) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=section.otlp,
        headers={name: value.reveal().decode() for name, value in section.headers.items()},
        timeout=section.timeout,
        compression=Compression.NoCompression,
        session=a_session(way),
    )


def _context_of(trace: Trace) -> Context:
    """Write the caller's span, the parent of ours; an empty context where the trace begins here."""
    if trace.parent_id is None:
        return _NO_CONTEXT
    members = [pair.partition("=")[::2] for pair in trace.state.decode().split(",") if pair]
    caller = SpanContext(
        int(trace.trace_id, 16),
        int(trace.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState(members),
    )
    return set_span_in_context(NonRecordingSpan(caller), _NO_CONTEXT)


def _server_attributes(noted: Noted, method: str) -> Attributes:
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": _text(noted.path),
        "url.scheme": "https" if noted.is_secure else "http",
        "network.protocol.version": f"1.{noted.minor}",
        "http.response.status_code": noted.status,
        "sidecar.outcome": noted.ending.value,
        "sidecar.request_id": _text(noted.request_id),
    }
    if noted.status == CLIENT_LEFT:
        # No status was sent: 499 is our own word for it.
        del attributes["http.response.status_code"]
    if noted.route != _UNROUTED:
        attributes["http.route"] = noted.route
    if noted.host is not None:
        attributes.update(_address(noted.host))
    if noted.code is not None:
        attributes["sidecar.refusal.code"] = noted.code.value
    if noted.step:
        attributes["sidecar.refusal.step"] = noted.step
    if _is_failed(noted):
        attributes["error.type"] = _error_of(noted)
    return attributes


def _client_attributes(noted: Noted, method: str) -> Attributes:
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "network.protocol.version": "1.1",
        **_address(noted.upstream),
    }
    if noted.upstream_seconds is not None:
        # What became of the answer later changes nothing of what the service said.
        attributes["http.response.status_code"] = noted.status
    if _is_failed_wait(noted):
        attributes["error.type"] = _error_of(noted)
    return attributes


def _error_of(noted: Noted) -> str:
    if noted.code is not None:
        return noted.code.value
    return noted.ending.value if noted.upstream_seconds is None else str(noted.status)


def _address(authority: bytes) -> Attributes:
    host, _, port = _text(authority).rpartition(":")
    if port.isdigit() and host:
        return {"server.address": host.strip("[]"), "server.port": int(port)}
    return {"server.address": _text(authority).strip("[]")}


def _method(method: bytes) -> str:
    text = method.decode("ascii", "replace")
    return text if text in _METHODS else _OTHER


def _text(value: bytes) -> str:
    return value.decode("ascii", "backslashreplace")


class _GivenIds(IdGenerator):
    """Gives the ids that were made when the request came; random ones to spans that had none.

    Attributes:
        trace_id: of the trace that begins next.
        span_id: of the next span; None for a random one.
    """

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.trace_id = 0
        self.span_id: int | None = None

    def generate_span_id(self) -> int:
        span_id, self.span_id = self.span_id, None
        return self._random.generate_span_id() if span_id is None else span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


class _Made(SpanProcessor):
    """Keeps the spans that ended until somebody takes them."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def taken(self) -> Sequence[ReadableSpan]:
        spans, self._spans = self._spans, []
        return spans
