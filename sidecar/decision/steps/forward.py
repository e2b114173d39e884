"""Write the request fields for the upstream: what passes, what is taken out, what is added (TN-1).

Taken out, in every spelling that a service could take for the same name: fields of the connection,
identity headers that only the sidecar may send, and fields that would change what was judged (the
client's address, the host, the path or the method).
"""

from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.headers import Fields, canonical
from sidecar.model.memo import Memo
from sidecar.model.message import CHUNKED, RequestHead, Upgrade
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
        b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip",
        b"x-cluster-client-ip", b"x-original-forwarded-for", b"x-original-host", b"x-host",
        b"x-original-url", b"x-original-uri", b"x-rewrite-url", b"x-http-method",
        b"x-http-method-override", b"x-method-override", b"x-request-id",
    )
)  # fmt: skip
_TRACE: Final = frozenset((b"traceparent", b"tracestate", b"baggage"))
_X_FORWARDED: Final = b"x-forwarded-"

_PASSES: Final = 0
_DROPPED: Final = 1
_FROM_PROXY: Final = 2


def _treatment(name: bytes) -> int:
    key = canonical(name)
    if key in _TRACE:
        return _FROM_PROXY
    if key in _CONNECTION or key in IDENTITY or key in _JUDGED or key.startswith(_X_FORWARDED):
        return _DROPPED
    return _PASSES


class Forward:
    """Write the field lines that go upstream; nothing that a client names can touch ours."""

    name: ClassVar[str] = "forward"
    reads: ClassVar[frozenset[str]] = frozenset(
        {"connection", "head", "target", "request_id", "forwarded_for", "is_secure", "is_from_proxy"}
    )
    writes: ClassVar[frozenset[str]] = frozenset({"upstream_fields"})
    can_shadow: ClassVar[bool] = False

    def __init__(self, host: bytes | None, treatments: Memo[bytes, int]) -> None:
        """Keep what is the same for every request.

        Args:
            host: the Host that the upstream sees; None for the client's own.
            treatments: memo made by `new_treatments`, shared by all routes.
        """
        self._host = host
        self._treatments = treatments

    @classmethod
    def compile(cls, section: Section, treatments: Memo[bytes, int]) -> "Forward":
        """Compile the rule for Host."""
        host = None
        if section.host == "upstream":
            host = (section.url.authority if section.url.scheme != "unix" else "localhost").encode()
        elif section.host != "preserve":
            host = section.host.encode()
        return cls(host, treatments)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the fields.

        Source: RFC 9110 §7.6.1. Controls: TN-1.
        """
        head = exchange.head
        if head is None:
            return PASS
        host = self._host or head.host or exchange.target.authority
        fields: Fields = [(b"Host", host)]
        known = self._treatments.known
        options = head.connection_options
        for line in head.fields:
            name = line[0]
            try:
                treatment = known[name]
            except KeyError:
                treatment = self._treatments(name)
            if treatment == _DROPPED or (treatment and not exchange.is_from_proxy):
                continue
            if options and name.lower() in options:
                continue
            fields.append(line)
        self._frame(fields, head)
        fields += (
            (b"X-Forwarded-For", exchange.forwarded_for),
            (b"X-Forwarded-Proto", b"https" if exchange.is_secure else b"http"),
            (b"X-Forwarded-Port", _port(exchange)),
            (b"X-Request-Id", exchange.request_id),
        )
        if head.host is not None:
            fields.append((b"X-Forwarded-Host", head.host))
        exchange.upstream_fields = fields
        return PASS

    @staticmethod
    def _frame(fields: Fields, head: RequestHead) -> None:
        """Frame the request anew: what the client wrote about framing never goes on."""
        if head.length == CHUNKED:
            fields.append((b"Transfer-Encoding", b"chunked"))
        elif head.length or head.method in {b"POST", b"PUT", b"PATCH"}:
            fields.append((b"Content-Length", b"%d" % head.length))
        if head.expects_continue:
            fields.append((b"Expect", b"100-continue"))
        if head.upgrade is Upgrade.WEBSOCKET:
            fields.append((b"Connection", b"Upgrade"))
            fields.append((b"Upgrade", b"websocket"))


def new_treatments() -> Memo[bytes, int]:
    """Make the memo of how field names are treated, which all routes share."""
    return Memo(_treatment)


def _port(exchange: Exchange) -> bytes:
    """Say which port the client used: the proxy's in front where one is trusted, else ours."""
    if not exchange.is_from_proxy:
        return b"%d" % exchange.connection.port
    host = exchange.head.host if exchange.head is not None else None
    if host is not None and b":" in host and not host.endswith(b"]"):
        return host.rpartition(b":")[2]
    return b"443" if exchange.is_secure else b"80"
