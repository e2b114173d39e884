"""Say which upstream gets the request, and under which request target."""

from typing import ClassVar

from sidecar.knowledge.http1.query import without
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step, UpstreamTarget, UpstreamTls
from sidecar.policy.schema.upstream import Upstream as Section


class Upstream(Step):
    """Write the target; path and query go on byte for byte as received, less the prefix."""

    name: ClassVar[str] = "upstream"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset({"target", "upstream_path"})
    can_shadow: ClassVar[bool] = False

    def __init__(
        self, target: UpstreamTarget, strip_prefix: str | None, withheld: bytes = b""
    ) -> None:
        """Keep what is the same for every request.

        Args:
            target: where the requests go.
            strip_prefix: leading path segments, as a template, that the upstream does not see.
            withheld: query parameter that it does not see, since it carries keys; empty for none.
        """
        self._target = target
        self._withheld = withheld
        self._stripped = strip_prefix.count("/") if strip_prefix is not None else 0

    def decide(self, exchange: Exchange) -> Outcome:
        """Write target and path."""
        exchange.target = self._target
        head = exchange.head
        if head is None:
            return PASS
        # The common case forwards the target as it is; absolute form becomes origin form.
        if not self._stripped and not self._withheld and head.target[:1] == b"/":
            exchange.upstream_path = head.target
            return PASS
        path = self._strip(head.path)
        query = head.query
        if query is not None and self._withheld:
            query = without(query, self._withheld) or None
        exchange.upstream_path = path if query is None else path + b"?" + query
        return PASS

    def _strip(self, path: bytes) -> bytes:
        """Take leading segments off by number: the matcher compared them decoded."""
        if not self._stripped:
            return path
        segments = path.split(b"/", self._stripped + 1)
        return b"/" + segments[-1] if len(segments) > self._stripped + 1 else b"/"


def target_of(section: Section, *, owner: str = "") -> UpstreamTarget:
    """Compile where an upstream is; equal sections of one owner give targets of equal keys."""
    url = section.url
    tls = None
    if url.scheme == "https":
        given = section.tls
        tls = UpstreamTls(
            server_name=(given.server_name if given and given.server_name else url.host),
            ca=str(given.ca) if given and given.ca else None,
            certificate=str(given.certificate) if given and given.certificate else None,
            key=str(given.key) if given and given.key else None,
        )
    return UpstreamTarget(
        host=url.host,
        port=url.port,
        socket_path=url.path,
        authority=(url.authority if url.scheme != "unix" else "localhost").encode(),
        tls=tls,
        connect_timeout=section.timeouts.connect,
        idle_connections=section.keepalive.connections,
        idle_seconds=section.keepalive.idle,
        owner=owner,
    )
