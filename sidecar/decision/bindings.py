"""Where a request names a tenant or a project: in its path, its query or its host (TN-2)."""

from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.http1.query import Parameter, decoded, pairs
from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead
from sidecar.model.template import Kind
from sidecar.policy.schema.routes import Route

TENANT: Final = "tenant"
PROJECT: Final = "project"
_PATH_NAMES: Final = {"tenant": TENANT, "org": TENANT, "project": PROJECT}


@dataclass(frozen=True, slots=True)
class Bindings:
    """The places of a route's requests that name a tenant, or those that name a project.

    Attributes:
        segments: indexes of path segments.
        query: query parameters.
        host: whether the first label of the host does.
    """

    segments: tuple[int, ...] = ()
    query: tuple[Parameter, ...] = ()
    host: bool = False

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.segments or self.query or self.host)

    def names(self, exchange: Exchange) -> list[str]:
        """List every value that the request has there: path, query, host.

        Raises:
            UndecodableError: the query has two readings.
        """
        # A service that ignores case never gets here with another spelling of the literals around
        # a segment: the matcher has refused it.
        found = [exchange.segments[at] for at in self.segments]
        head = exchange.head
        if head is not None and head.query is not None and self.query:
            found += _values(head.query, self.query)
        if self.host:
            found.append(_first_label(head))
        return found


NOWHERE: Final = Bindings()


def bindings_of(route: Route, of: str) -> Bindings:
    """Find where requests of a route name a tenant or a project.

    Args:
        route: the route.
        of: TENANT or PROJECT.
    """
    return Bindings(
        segments=tuple(
            at
            for at, segment in enumerate(route.template.segments)
            if segment.kind is Kind.ONE and _PATH_NAMES.get(segment.text) == of
        ),
        query=tuple(Parameter.of(name) for name, bound in route.bind.query.items() if bound == of),
        host=route.bind.host == of,
    )


def _values(query: bytes, parameters: tuple[Parameter, ...]) -> list[str]:
    return [
        decoded(value)
        for name, value in pairs(query)
        if any(parameter.is_spelt(name) for parameter in parameters)
    ]


def _first_label(head: RequestHead | None) -> str:
    """Name the first label of the host; empty where there is none, which is nobody's tenant.

    A host has no case, hence a tenant whose id has capitals cannot be named by one.
    """
    host = b"" if head is None or head.host is None else head.host
    return host.partition(b":")[0].partition(b".")[0].decode("latin-1")
