"""Request fields that mean something to the sidecar, and which of them go on upstream (TN-1).

A field that is neither named nor treated here is plain: it goes on as it came, and nobody asks
for it.
"""

from dataclasses import dataclass
from typing import Final

from sidecar.model.headers import canonical

CONNECTION: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"http2-settings", b"content-length", b"host", b"expect",
    )
)  # fmt: skip
"""Fields of the connection, which the sidecar writes anew."""
IDENTITY: Final = frozenset(
    (
        b"x-tenant-id", b"x-user-id", b"x-roles", b"x-scopes", b"x-tier", b"x-key-id",
        b"x-sidecar-assertion",
    )
)  # fmt: skip
"""Default names of the identity headers; no client may send one."""
JUDGED: Final = frozenset(
    (
        b"forwarded", b"x-forwarded", b"x-real-ip", b"x-client-ip", b"client-ip", b"true-client-ip",
        b"x-remote-ip", b"x-remote-addr", b"x-originating-ip", b"x-cluster-client-ip",
        b"cf-connecting-ip", b"fastly-client-ip", b"x-original-forwarded-for", b"x-original-host",
        b"x-host", b"x-http-host-override", b"x-scheme", b"x-url-scheme", b"front-end-https",
        b"x-original-url", b"x-original-uri", b"x-rewrite-url", b"x-http-method",
        b"x-http-method-override", b"x-method-override", b"x-request-id",
        # CGI turns it into HTTP_PROXY, which makes a service send its own requests there (httpoxy).
        b"proxy",
    )
)  # fmt: skip
"""Fields that would change what was judged: the client's address, host, path or method."""
TRACE: Final = frozenset((b"traceparent", b"tracestate", b"baggage"))
"""Fields that a trusted proxy alone may send on; without `tracing` as they came."""
_X_FORWARDED: Final = b"x-forwarded-"

NAMED: Final = frozenset(
    (
        b"accept", b"access-control-request-headers", b"access-control-request-method",
        b"authorization", b"content-length", b"content-type", b"cookie", b"forwarded", b"host",
        b"origin", b"sec-fetch-mode", b"sec-fetch-site", b"sec-websocket-key",
        b"sec-websocket-version", b"traceparent", b"tracestate", b"transfer-encoding",
        b"user-agent", b"x-api-key", b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id",
    )
)  # fmt: skip
"""Fields that some part of the sidecar asks for: found without a look at the other lines."""

_DROPPED_NAMES: Final = CONNECTION | IDENTITY | JUDGED

PASSES: Final = 0
DROPPED: Final = 1
FROM_PROXY: Final = 2


def treatment_of(name: bytes, managed: frozenset[bytes] = frozenset()) -> int:
    """Say whether a request field goes on: PASSES, DROPPED, or FROM_PROXY.

    Args:
        name: field name in any spelling.
        managed: names beside the default ones that no client may send on, in canonical spelling.

    Controls: TN-1.
    """
    key = canonical(name)
    if key in _DROPPED_NAMES or key in managed or key.startswith(_X_FORWARDED):
        return DROPPED
    return FROM_PROXY if key in TRACE else PASSES


@dataclass(init=False, slots=True)
class Field:
    """A field line that is not plain.

    Attributes:
        line: the line as received.
        name: field name in lower case.
        value: field value without white space around it.
        kind: what it means to the framing, a number that the codec gave it; 0 for nothing.
        treatment: PASSES, DROPPED or FROM_PROXY.
        number: what a well-formed Content-Length of an answer says, None for all else.
    """

    line: bytes
    name: bytes
    value: bytes
    kind: int
    treatment: int
    number: int | None

    # Written out: the constructor that `dataclass` makes stays interpreted, 0.3 µs more.
    def __init__(  # noqa: PLR0913 -- as many as there are facts
        self,
        line: bytes,
        name: bytes,
        value: bytes,
        *,
        kind: int,
        treatment: int,
        number: int | None = None,
    ) -> None:
        self.line = line
        self.name = name
        self.value = value
        self.kind = kind
        self.treatment = treatment
        self.number = number
