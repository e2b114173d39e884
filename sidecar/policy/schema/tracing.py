"""The section `tracing`: whose traces are gone on with, and where spans go."""

import re
from typing import Annotated, Final, Literal

from sidecar.policy.schema.files import ExistingFile, SecretText
from sidecar.policy.schema.jwt import HttpUrl
from sidecar.policy.schema.names import FieldName, ResourceKey
from sidecar.policy.schema.quantities import PositiveDuration, Share
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

EXPORT_ALONE: Final = ("headers", "ca", "timeout", "service_name", "resource")
"""Keys that mean nothing where no span is sent."""

_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,256}\Z")


def _line(value: object) -> str:
    text = text_of(value, "production")
    if not _LINE.match(text):
        raise misfit("is no line of text", "1 to 256 characters, none of them a line break")
    return str(text)


Line = Annotated[
    str, PlainValidator(_line), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 256})
]


class Tracing(Section):
    """Traces (W3C Trace Context), and spans for a collector of OpenTelemetry.

    Attributes:
        trust: whose `traceparent` and `tracestate` are gone on with: those of trusted proxies, of
            `any` client, or of `none`; everybody else's request begins a trace.
        sample: share of the traces begun here that are recorded, 0 to 1; a trace that is gone on
            with is recorded if its caller records it.
        otlp: URL that takes spans (OTLP over HTTP, with its path); nothing is sent if left out.
            Needs the extra `tenant-sidecar[otel]`.
        headers: fields for the collector by name, such as a token; `file:PATH` or `env:NAME`.
        ca: file with the authorities to trust for `otlp`; the system's if left out.
        timeout: how long the collector may take for a batch, further attempts included.
        service_name: `service.name` of the spans.
        resource: further attributes of whoever sends the spans, by name.
    """

    trust: Literal["trusted_proxies", "any", "none"] = "trusted_proxies"
    sample: Share = 0.1
    otlp: Annotated[HttpUrl | None, Field(examples=["http://collector:4318/v1/traces"])] = None
    headers: Annotated[
        dict[FieldName, SecretText],
        Field(examples=["{Authorization: env:COLLECTOR_AUTHORIZATION}"]),
    ] = Field(default_factory=dict)
    ca: ExistingFile | None = None
    timeout: PositiveDuration = 5.0
    service_name: Line = "sidecar"
    resource: Annotated[
        dict[ResourceKey, Line],
        Field(examples=["{deployment.environment.name: production}"]),
    ] = Field(default_factory=dict)
