"""Write the request fields for the upstream: what passes, what is taken out, what is added (TN-1).

Taken out, in every spelling that a service could take for the same name: fields of the connection,
identity headers that only the sidecar may send, and fields that would change what was judged (the
client's address, the host, the path or the method).
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.fields import FROM_PROXY
from sidecar.model.memo import Memo
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step
from sidecar.policy.schema.upstream import Upstream as Section

_WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))
_AUTHORIZATION: Final = frozenset((b"authorization",))


class Forward(Step):
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
            "upstream_authorization",
        }
    )
    writes: ClassVar[frozenset[str]] = frozenset({"upstream_lines"})
    can_shadow: ClassVar[bool] = False

    def __init__(self, host: bytes | None) -> None:
        """Keep what is the same for every request.

        Args:
            host: made by `host_for`.
        """
        self._host = host
        self._origin = Memo(_origin_lines)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the fields.

        Source: RFC 9110 §7.6.1. Controls: TN-1.
        """
        head = exchange.head
        if head is None:
            return PASS
        host = head.host if self._host is None else self._host
        lines = [b"Host: " + (host or exchange.target.authority)]
        lines += head.passing
        if exchange.is_from_proxy:
            lines += [field.line for field in head.named if field.treatment == FROM_PROXY]
        if exchange.credential_lines:
            lines = _withheld(lines, exchange.credential_lines)
        if head.connection_options:
            lines = _without(lines, head.connection_options)
        if exchange.upstream_authorization is not None:
            # Of two credentials the upstream might take the client's.
            lines = _without(lines, _AUTHORIZATION)
            lines.append(b"Authorization: " + exchange.upstream_authorization)
        self._frame(lines, head)
        port = exchange.connection.port if not exchange.is_from_proxy else _port(exchange)
        origin = (exchange.forwarded_for, exchange.is_secure, port)
        lines.append(self._origin.known.get(origin) or self._origin(origin))
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
    """Compile the rule for the Host that an upstream sees.

    Returns:
        None for the client's own; empty for the authority of whichever upstream gets the request.
    """
    if section.host == "preserve":
        return None
    return b"" if section.host == "upstream" else section.host.encode()


def _withheld(lines: list[bytes], credentials: Mapping[bytes, bytes | None]) -> list[bytes]:
    """Take out what carried a credential of ours, or put what may go on in its place."""
    left = [credentials.get(line, line) for line in lines]
    return [line for line in left if line is not None]


def _without(lines: list[bytes], options: frozenset[bytes]) -> list[bytes]:
    """Take out fields by their names in lower case; ours are added afterwards."""
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
