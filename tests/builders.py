"""The only makers of heads, exchanges, plans and policies for tests of the pure rooms."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from sidecar.model.exchange import Connection, Exchange
from sidecar.model.fields import NAMED, PASSES, Field, treatment_of
from sidecar.model.identity import Method, Principal, TenantId, TenantRecord
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Timeouts, UpstreamTarget
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

OWN_ID = b"0190a4c2-7d10-7abc-8def-0123456789ab"
PEER = "198.51.100.7"
PROXY = "10.0.0.9"
"""A peer in 10.0.0.0/8, the network of trusted proxies wherever a test trusts any."""


def a_policy(*routes: Mapping[str, object], **sections: object) -> Policy:
    """Make a policy that admits everybody everywhere, but for what is given."""
    document: dict[str, object] = {
        "version": 1,
        "upstream": "http://127.0.0.1:3000",
        "routes": [{"public": True, **route} for route in routes or ({"path": "/**"},)],
    }
    return Policy.model_validate({**document, **sections})


def a_route(path: str = "/**", **keys: object) -> Route:
    """Make the one route of a policy."""
    return a_policy({"path": path, **keys}).routes[0]


def told_apart(lines: Iterable[bytes]) -> tuple[list[Field], list[bytes]]:
    """Tell the lines of a head that are not plain, and those that go on, as the codec does."""
    named = []
    passing = []
    for line in lines:
        name, _, value = line.partition(b":")
        treatment = treatment_of(name)
        if treatment != PASSES or name.lower() in NAMED:
            named.append(Field(line, name.lower(), value.strip(), kind=0, treatment=treatment))
        if treatment == PASSES:
            passing.append(line)
    return named, passing


def a_head(
    method: bytes = b"GET",
    target: bytes = b"/orders/7",
    *lines: bytes,
    host: bytes | None = b"shop.example",
) -> RequestHead:
    """Make the head of a request without a body; `dataclasses.replace` makes others of it."""
    path, mark, query = target.partition(b"?")
    own = () if host is None else (b"Host: " + host,)
    named, passing = told_apart([*own, *lines])
    return RequestHead(
        method=method,
        target=target,
        path=path,
        query=query if mark else None,
        minor=1,
        lines=[*own, *lines],
        named=named,
        passing=passing,
        host=host,
        length=0,
        keeps_alive=True,
        expects_continue=False,
        is_websocket=False,
        connection_options=frozenset(),
    )


def an_exchange(
    head: RequestHead | None = None, *, peer: str = PEER, is_tls: bool = False
) -> Exchange:
    """Make an exchange that no step has seen."""
    connection = Connection(peer, is_tls=is_tls, port=8080)
    return Exchange(connection, a_head() if head is None else head, 1_800_000_000.0, OWN_ID)


def an_unread_exchange(*, peer: str = PEER, is_tls: bool = False) -> Exchange:
    """Make an exchange whose head could not be parsed."""
    return Exchange(Connection(peer, is_tls=is_tls, port=8080), None, 1_800_000_000.0, OWN_ID)


def an_answer(*lines: bytes, is_secure: bool = False) -> Exchange:
    """Make an exchange whose upstream answered with some field lines."""
    exchange = an_exchange()
    exchange.is_secure = is_secure
    exchange.request_id = OWN_ID
    exchange.response_lines = list(lines)
    return exchange


def a_principal(
    tenant: str | None = "acme", *roles: str, method: Method = Method.API_KEY, **facts: object
) -> Principal:
    """Make a caller who is a member of one tenant, or of none."""
    memberships = {} if tenant is None else {tenant: roles or ("viewer",)}
    made = Principal(method, "key:k1", "k1", memberships=memberships, scopes=frozenset())
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def a_tenant(tenant: str = "acme", **facts: object) -> TenantRecord:
    """Make the record of an active tenant."""
    return dataclasses.replace(TenantRecord(TenantId(tenant)), **facts)  # type: ignore[arg-type]  # facts by name


def a_plan(name: str = "/**") -> RoutePlan:
    """Make a plan without steps, told from others by its name."""
    return RoutePlan(name, (), (), Timeouts(2.0, 30.0, 60.0, 3600.0), shadow=False)


def a_target(authority: bytes = b"127.0.0.1:3000") -> UpstreamTarget:
    """Make an upstream in clear text."""
    return UpstreamTarget("127.0.0.1", 3000, "", authority, None, 2.0, 128, 15.0)


def flat(lines: Iterable[bytes]) -> list[bytes]:
    """Take apart lines that a step wrote as one piece."""
    return [line for piece in lines for line in piece.split(b"\r\n")]


def values_of(lines: Iterable[bytes], name: bytes) -> list[bytes]:
    """Collect the values of all lines of one field, whatever its case."""
    pairs = [line.split(b":", 1) for line in flat(lines)]
    return [value.strip() for key, value in pairs if key.lower() == name.lower()]


def refusal_of(outcome: Outcome) -> RefusalCode | None:
    """Say with which code an outcome refuses; None if it passes."""
    return outcome.code if isinstance(outcome, Refuse) else None


def names_of(lines: Sequence[bytes]) -> list[bytes]:
    """List the field names in order, in lower case."""
    return [line.partition(b":")[0].lower() for line in flat(lines)]
