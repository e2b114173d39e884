"""The section `upstream`: the service behind the sidecar."""

from collections.abc import Mapping
from typing import Annotated, Self

from sidecar.policy.schema.addresses import Authority, Url
from sidecar.policy.schema.files import ExistingFile
from sidecar.policy.schema.quantities import Count, PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    model_validator,
)
from sidecar.policy.written import misfit


class UpstreamTimeouts(Section):
    """How long the upstream may be silent.

    Attributes:
        connect: time to open a connection, TLS included.
        response: time from the end of the request to the head of the answer.
        idle: silence inside the body of an answer.
        event_stream: the same inside `text/event-stream`.
    """

    connect: PositiveDuration = 2.0
    response: PositiveDuration = 30.0
    idle: PositiveDuration = 60.0
    event_stream: PositiveDuration = 3600.0


class UpstreamTls(Section):
    """How an https upstream is verified, and what the sidecar shows it.

    Attributes:
        ca: PEM file with the authorities to believe instead of the system's.
        server_name: name to verify instead of the URL's host.
        certificate: PEM file with a client certificate and its chain.
        key: PEM file with the client certificate's private key.
    """

    ca: ExistingFile | None = None
    server_name: Annotated[str | None, Field(min_length=1, examples=["app.internal"])] = None
    certificate: ExistingFile | None = None
    key: ExistingFile | None = None

    @model_validator(mode="after")
    def _client_certificate_is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise misfit(
                "a client certificate needs certificate and key",
                "give both, or neither",
                is_quoted=False,
            )
        return self


class Keepalive(Section):
    """Connections to the upstream that are kept for the next request.

    Attributes:
        connections: how many idle ones are kept.
        idle: for how long; shorter than the upstream's own time-out avoids stale ones.
    """

    connections: Count = 128
    idle: PositiveDuration = 15.0


class Upstream(Section):
    """The service behind the sidecar; its URL alone will do.

    Attributes:
        url: `http://host:port`, `https://host` or `unix:///path/of/socket`.
        host: the `Host` that the upstream sees: `preserve` the client's, the `upstream`'s own
            authority, or a name.
        timeouts: how long the upstream may be silent.
        tls: how an https upstream is verified.
        keepalive: connections that are kept.
    """

    url: Annotated[Url, Field(examples=["http://127.0.0.1:3000"])]
    host: Authority = "preserve"
    timeouts: UpstreamTimeouts = UpstreamTimeouts()
    tls: UpstreamTls | None = None
    keepalive: Keepalive = Keepalive()

    @model_validator(mode="before")
    @classmethod
    def _url_alone(cls, value: object) -> object:
        if isinstance(value, str):
            return {"url": value}
        if not isinstance(value, dict | Upstream):
            raise misfit("is no upstream", "http://127.0.0.1:3000, or a mapping with url")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        url: Mapping[str, object] = whole["properties"]["url"]
        return {"title": "Upstream", "anyOf": [dict(url), whole]}
