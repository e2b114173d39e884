"""Say which upstream gets the request, and under which request target."""

from typing import ClassVar

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import UpstreamTarget, UpstreamTls
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.upstream import Upstream as Section


class Upstream:
    """Write the target; path and query go on byte for byte as received, less the prefix."""

    name: ClassVar[str] = "upstream"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset({"target", "upstream_path"})
    can_shadow: ClassVar[bool] = False

    def __init__(self, target: UpstreamTarget, stripped: int) -> None:
        """Keep what is the same for every request.

        Args:
            target: where the requests go.
            stripped: number of leading path segments that the upstream does not see.
        """
        self._target = target
        self._stripped = stripped

    @classmethod
    def compile(cls, section: Section, route: Route | None) -> "Upstream":
        """Compile the section for a route; None is the fallback of shadow mode."""
        prefix = route.strip_prefix if route is not None else None
        return cls(target_of(section), prefix.count("/") if prefix else 0)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write target and path."""
        exchange.target = self._target
        head = exchange.head
        if head is None:
            return PASS
        # The common case forwards the target as it is; absolute form becomes origin form.
        if not self._stripped and head.target[:1] == b"/":
            exchange.upstream_path = head.target
            return PASS
        path = head.path
        if self._stripped:
            path = b"/" + path.split(b"/", self._stripped + 1)[-1]
            if head.path.rstrip(b"/").count(b"/") <= self._stripped:
                path = b"/"
        exchange.upstream_path = path if head.query is None else path + b"?" + head.query
        return PASS


def target_of(section: Section) -> UpstreamTarget:
    """Compile where an upstream is; equal sections give equal targets, which share connections."""
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
    )
