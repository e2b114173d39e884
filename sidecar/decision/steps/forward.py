"""Write the request fields for the upstream: what passes, what is taken out, what is added (TN-1).

Taken out, in every spelling that a service could take for the same name: fields of the connection,
identity headers that only the sidecar may send, and fields that would change what was judged (the
client's address, the host, the path or the method).
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.headers import canonical
from sidecar.model.memo import LineMemo, Memo
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.outcome import PASS, Outcome
from sidecar.policy.schema.upstream import Upstream as Section

_CONNECTION: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"http2-settings", b"content-length", b"host", b"expect",
    )
)  # fmt: skip
IDENTITY: Final = frozenset(
    (
        b"x-tenant-id", b"x-user-id", b"x-roles", b"x-scopes", b"x-tier", b"x-key-id",
        b"x-sidecar-assertion",
    )
)  # fmt: skip
"""Default names of the identity headers; no client may send one."""
_JUDGED: Final = frozenset(
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
_WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))
_TRACE: Final = frozenset((b"traceparent", b"tracestate", b"baggage"))
_X_FORWARDED: Final = b"x-forwarded-"

_PASSES: Final = 0
_DROPPED: Final = 1
_FROM_PROXY: Final = 2


class _Treatment:
    """Says how a field line is treated, by its name."""

    __slots__ = ("_dropped",)

    def __init__(self, managed: frozenset[bytes]) -> None:
        self._dropped = _CONNECTION | IDENTITY | _JUDGED | managed

    def __call__(self, line: bytes) -> int:
        key = canonical(line.partition(b":")[0])
        if key in _TRACE:
            return _FROM_PROXY
        if key in self._dropped or key.startswith(_X_FORWARDED):
            return _DROPPED
        return _PASSES


Treatments = LineMemo[int]


class Forward:
    """Write the field lines that go upstream; nothing that a client names can touch ours."""

    name: ClassVar[str] = "forward"
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "connection",
            "credential_lines",
            "head",
            "identity_lines",
            "target",
            "request_id",
            "forwarded_for",
            "is_secure",
            "is_from_proxy",
        }
    )
    writes: ClassVar[frozenset[str]] = frozenset({"upstream_lines"})
    can_shadow: ClassVar[bool] = False

    def __init__(self, host: bytes | None, treatments: Treatments) -> None:
        """Keep what is the same for every request.

        Args:
            host: made by `host_for`.
            treatments: made by `new_treatments`, shared by all routes.
        """
        self._host = host
        self._treatments = treatments
        self._origin = Memo(_origin_lines)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the fields.

        Source: RFC 9110 §7.6.1. Controls: TN-1.
        """
        head = exchange.head
        if head is None:
            return PASS
        lines = [b"Host: " + (self._host or head.host or exchange.target.authority)]
        known = self._treatments.known
        for line in head.lines:
            treatment = known.get(line)
            if treatment is None:
                treatment = self._treatments(line)
            if treatment == _PASSES or (treatment == _FROM_PROXY and exchange.is_from_proxy):
                lines.append(line)
        if exchange.credential_lines:
            lines = _withheld(lines, exchange.credential_lines)
        if head.connection_options:
            lines = _without(lines, head.connection_options)
        self._frame(lines, head)
        port = exchange.connection.port if not exchange.is_from_proxy else _port(exchange)
        lines.append(self._origin((exchange.forwarded_for, exchange.is_secure, port)))
        if head.host is not None:
            lines.append(b"X-Forwarded-Host: " + head.host)
        lines.append(b"X-Request-Id: " + exchange.request_id)
        lines += exchange.identity_lines
        exchange.upstream_lines = lines
        return PASS

    @staticmethod
    def _frame(lines: list[bytes], head: RequestHead) -> None:
        """Frame the request anew: what the client wrote about framing never goes on."""
        if head.length == CHUNKED:
            lines.append(b"Transfer-Encoding: chunked")
        elif head.length or head.method in _WITH_BODY:
            lines.append(b"Content-Length: %d" % head.length)
        if head.expects_continue:
            lines.append(b"Expect: 100-continue")
        if head.is_websocket:
            lines.append(b"Connection: Upgrade")
            lines.append(b"Upgrade: websocket")


def host_for(section: Section) -> bytes | None:
    """Compile the rule for the Host that an upstream sees; None for the client's own."""
    if section.host == "preserve":
        return None
    if section.host != "upstream":
        return section.host.encode()
    return (section.url.authority if section.url.scheme != "unix" else "localhost").encode()


def new_treatments(managed: frozenset[bytes] = frozenset()) -> Treatments:
    """Make the memory of how field lines are treated, which all routes share.

    Args:
        managed: canonical names beside the default ones that no client may send to the service.
    """
    return LineMemo(_Treatment(managed))


def _withheld(lines: list[bytes], credentials: Mapping[bytes, bytes | None]) -> list[bytes]:
    """Take out what carried a credential of ours, or put what may go on in its place."""
    left = [credentials.get(line, line) for line in lines]
    return [line for line in left if line is not None]


def _without(lines: list[bytes], options: frozenset[bytes]) -> list[bytes]:
    """Take out the fields that the client's `Connection` lists; ours are added afterwards."""
    host, *others = lines
    return [host, *(line for line in others if line.partition(b":")[0].lower() not in options)]


def _origin_lines(origin: tuple[bytes, bool, int]) -> bytes:
    forwarded_for, is_secure, port = origin
    scheme = b"https" if is_secure else b"http"
    return (
        b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d"
        % (forwarded_for, scheme, port)
    )  # fmt: skip


def _port(exchange: Exchange) -> int:
    """Say which port the client used at the trusted proxy in front."""
    host = exchange.head.host if exchange.head is not None else None
    if host is not None and b":" in host and not host.endswith(b"]"):
        return int(host.rpartition(b":")[2])
    return 443 if exchange.is_secure else 80
