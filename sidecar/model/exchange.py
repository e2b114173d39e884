"""The notebook of one request: every fact about it, each written once by one owner.

A fact is unset until its writer ran; reading it earlier is a bug and raises AttributeError. The
pipeline proves at build time that no step reads a fact before the step that writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.model.identity import Principal, TenantRecord
from sidecar.model.limits import Slot, Taken
from sidecar.model.mcp import Rpc
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, UpstreamTarget
from sidecar.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of a client's connection before it says anything.

    Attributes:
        peer: IP address of the socket's other end, as text.
        is_tls: whether TLS ends here.
        port: our own port, for X-Forwarded-Port.
    """

    peer: str
    is_tls: bool
    port: int


GIVEN: Final = frozenset(
    (
        "connection", "credential_lines", "head", "identity_lines", "now", "own_id",
        "response_lines", "rpc", "shadow", "slots", "taken", "trace", "upstream_authorization",
    )
)  # fmt: skip
"""Facts that the driver writes before the first step."""


# What comes of a body before a route is known waits in bounded memory; the route judges it then.
_NO_ROUTE_YET: Final = 1 << 62
_NO_LINES: Final[Mapping[bytes, bytes | None]] = {}


class Exchange:
    """One request and what was found out about it.

    Attributes:
        connection: the client's connection; given.
        head: the request head; None when it could not be parsed; given.
        now: Unix seconds when the head was complete; given.
        own_id: request id that the sidecar made; given.
        shadow: refusals that shadow mode let pass, in order; given, append-only.
        client: IP address of the client, as text; by `client_address`.
        is_secure: whether the client's side came over TLS; by `client_address`.
        forwarded_for: X-Forwarded-For for the upstream; by `client_address`.
        is_from_proxy: whether the peer is a trusted proxy; by `client_address`.
        request_id: id of the request; by `request_id`.
        segments: path segments, decoded; by `path`.
        has_encoded_slash: whether a segment holds an encoded slash; by `path`.
        route: the plan of the matched route; by `route`.
        preflight: field lines that answer a CORS preflight; empty for one that is refused, None for
            what is none; by `preflight`.
        named_tenant: tenant that host or path name, if its origins matter; by `preflight`.
        body_limit: largest body in bytes; without bound until `declared_body` wrote it.
        principal: who the caller is; by `authenticate`.
        credential_lines: request field lines that carried a credential of ours, and what goes on
            in their place, None for nothing; given, replaced by `authenticate` or `withhold`.
        tenant: tenant that the request is for; None for none; by `tenant`.
        roles: the caller's roles in that tenant; by `tenant`.
        tier: the caller's tier; None for none; by `tier` or `domain_lock`.
        rpc: what is known of a request of MCP; given as None, replaced by `mcp`.
        identity_lines: request field lines that tell the upstream who the caller is; given,
            replaced by `identity_headers` and what stands behind it.
        nonce: nonce of the answer, as its Content-Security-Policy has it; by `csp_nonce`.
        trace: the trace that it is part of; given as None, replaced by `trace`.
        target: upstream that gets the request; by `upstream` or `tenant_upstream`.
        upstream_path: request target for the upstream; by `upstream` or `tenant_upstream`.
        upstream_authorization: value of Authorization for the upstream, in the place of the
            client's; given as None, replaced by `tenant_upstream`.
        upstream_lines: request field lines for the upstream; by `forward`.
        refused_by: name of the step that refused or answered; by the runner.
        refusal: what the sidecar refuses with; unset while the answer is another's; by the driver.
        taken: what rate limits said of it, in order; given, extended by steps of limits.
        slots: what it holds of limits of concurrency, to be given back when it is over; given,
            extended by steps of limits.
        status: status of the upstream's answer, else of our own; by the driver.
        response_lines: response field lines for the client; given, append-only for RESPONSE steps.
    """

    __slots__ = (
        "body_limit",
        "client",
        "connection",
        "credential_lines",
        "forwarded_for",
        "has_encoded_slash",
        "head",
        "identity_lines",
        "is_from_proxy",
        "is_secure",
        "named_tenant",
        "nonce",
        "now",
        "own_id",
        "preflight",
        "principal",
        "refusal",
        "refused_by",
        "request_id",
        "response_lines",
        "roles",
        "route",
        "rpc",
        "segments",
        "shadow",
        "slots",
        "status",
        "taken",
        "target",
        "tenant",
        "tier",
        "trace",
        "upstream_authorization",
        "upstream_lines",
        "upstream_path",
    )

    body_limit: int
    client: str
    forwarded_for: bytes
    has_encoded_slash: bool
    is_from_proxy: bool
    is_secure: bool
    named_tenant: TenantRecord | None
    nonce: bytes
    preflight: tuple[bytes, ...] | None
    principal: Principal
    refusal: RefusalCode
    refused_by: str
    request_id: bytes
    roles: tuple[str, ...]
    route: RoutePlan
    segments: tuple[str, ...]
    status: int
    target: UpstreamTarget
    tenant: TenantRecord | None
    tier: str | None
    upstream_lines: list[bytes]
    upstream_path: bytes

    def __init__(
        self, connection: Connection, head: RequestHead | None, now: float, own_id: bytes
    ) -> None:
        self.connection = connection
        self.head = head
        self.now = now
        self.own_id = own_id
        self.body_limit = _NO_ROUTE_YET
        self.shadow: list[Refuse] = []
        self.taken: tuple[Taken, ...] = ()
        self.slots: tuple[Slot, ...] = ()
        self.credential_lines: Mapping[bytes, bytes | None] = _NO_LINES
        self.rpc: Rpc | None = None
        self.trace: Trace | None = None
        self.identity_lines: list[bytes] = []
        self.response_lines: list[bytes] = []
        self.upstream_authorization: bytes | None = None
