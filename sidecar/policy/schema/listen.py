"""The section `listen`: where clients connect, and what they may make large or slow."""

from typing import Annotated, Final, Literal

from sidecar.policy.schema.addresses import Address, ListenAddress, Network
from sidecar.policy.schema.files import ExistingFile
from sidecar.policy.schema.quantities import (
    ByteRate,
    Count,
    Duration,
    PositiveDuration,
    PositiveSize,
)
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field

_PROXY: Final = Address("0.0.0.0", 8080)  # noqa: S104 -- a sidecar serves the pod's network
_ADMIN: Final = Address("127.0.0.1", 9901)


class Tls(Section):
    """TLS for the proxy listener.

    Attributes:
        certificate: PEM file with the certificate and its chain.
        key: PEM file with the private key.
        min_version: oldest TLS version that is spoken.
    """

    certificate: Annotated[ExistingFile, Field(examples=["/tls/tls.crt"])]
    key: Annotated[ExistingFile, Field(examples=["/tls/tls.key"])]
    min_version: Literal["1.2", "1.3"] = "1.3"


class ListenTimeouts(Section):
    """How long a client may be silent or slow.

    Attributes:
        head: time for a whole request head, from its first byte.
        body: silence inside a request body.
        idle: silence between two requests of a connection.
        write: time that a client may take without reading anything of the answer.
    """

    head: PositiveDuration = 10.0
    body: PositiveDuration = 30.0
    idle: PositiveDuration = 75.0
    write: PositiveDuration = 30.0


class Limits(Section):
    """What a client may make large.

    Attributes:
        start_line: size of the request line.
        head: size of the whole request head.
        fields: number of header fields.
        connections: client connections open at a time.
        requests: requests in flight at a time; more get 503 OVERLOADED.
        body_rate: bytes per second that a body must average after its first `timeouts.body`; 0
            is no minimum.
    """

    start_line: PositiveSize = 8192
    head: PositiveSize = 32768
    fields: Count = 100
    connections: Count = 4096
    requests: Count = 1024
    body_rate: ByteRate = 500


class Listen(Section):
    """Listeners, the proxies in front that are trusted, and bounds on clients.

    Attributes:
        proxy: where clients connect; port 0 lets the system choose.
        admin: where /livez, /readyz, /metrics, /jwks.json and, with a token, /v1/ are served.
        health: a further listener for them without /v1/; off unless given.
        trusted_proxies: networks whose X-Forwarded-For and Forwarded fields are believed.
        tls: TLS for the proxy listener; off unless given.
        timeouts: how long a client may be silent or slow.
        limits: what a client may make large.
        drain: how long requests in flight may take to end after SIGTERM.
    """

    proxy: ListenAddress = _PROXY
    admin: ListenAddress = _ADMIN
    health: ListenAddress | None = None
    trusted_proxies: tuple[Network, ...] = ()
    tls: Tls | None = None
    timeouts: ListenTimeouts = ListenTimeouts()
    limits: Limits = Limits()
    drain: Duration = 10.0
