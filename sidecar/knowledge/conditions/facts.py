"""Which facts a condition may see, and how they are handed to it: bounded, and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sidecar.knowledge.http1.query import UndecodableError, decoded, pairs
from sidecar.model.exchange import Exchange

FACTS: Final[dict[str, frozenset[str]]] = {
    "request": frozenset({"method", "path", "host", "query", "headers"}),
    "client": frozenset({"address"}),
    "caller": frozenset(
        {
            "subject", "tenant", "roles", "scopes", "tier", "kind", "project", "login", "claims",
        }
    ),
    "tenant": frozenset({"id", "tier", "attributes"}),
    "now": frozenset(),
}  # fmt: skip
"""The names that a condition may use, and below them the fields; `now` is a timestamp."""

Need = tuple[str, str]
"""A fact that a condition reads: its name and its field, empty for `now`."""

_LONGEST_LIST: Final = 1000
_LONGEST_STRING: Final = 8192
_DEEPEST: Final = 16
# What comparing 64 bytes costs is what visiting one value costs.
_BYTES_OF_A_VALUE: Final = 64


class UnfitError(ValueError):
    """A fact is beyond the bounds of AZ-6; the message says which bound."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition sees of one exchange.

    Attributes:
        values: by name, then by field.
        weight: how many values there are, long strings counting as several.
    """

    values: Mapping[str, object]
    weight: int


def facts_of(exchange: Exchange, needs: Iterable[Need]) -> Facts:
    """Collect the facts that a condition reads.

    Args:
        exchange: the exchange, its caller, tenant and tier found.
        needs: what the condition reads.

    Raises:
        UnfitError: a list has over 1,000 items, a string is over 8 KiB, or a fact cannot be read.

    Controls: AZ-6.
    """
    values: dict[str, object] = {}
    fields: dict[str, dict[str, object]] = {}
    weight = 0
    for name, field in needs:
        value = _READERS[name, field](exchange)
        weight += _weigh(value, 0)
        if field:
            fields.setdefault(name, {})[field] = value
        else:
            values[name] = value
    return Facts({**values, **fields}, weight)


def _weigh(value: object, depth: int) -> int:
    if value is None or isinstance(value, bool | int | float | datetime):
        return 1
    if isinstance(value, str):
        size = len(value.encode(errors="surrogatepass"))
        if size > _LONGEST_STRING:
            raise UnfitError("a string of over 8 KiB")
        return 1 + size // _BYTES_OF_A_VALUE
    if depth == _DEEPEST:
        raise UnfitError(f"values nested over {_DEEPEST} deep")
    if not isinstance(value, list | dict):
        raise UnfitError("a value of a type that conditions do not know")
    if len(value) > _LONGEST_LIST:
        raise UnfitError("a list of over 1,000 items")
    keys = sum(_weigh(key, depth + 1) for key in value) if isinstance(value, dict) else 0
    items = value.values() if isinstance(value, dict) else value
    return 1 + keys + sum(_weigh(item, depth + 1) for item in items)


def _method(exchange: Exchange) -> object:
    return "" if exchange.head is None else exchange.head.method.decode("latin-1")


def _host(exchange: Exchange) -> object:
    """Name the host without port and without the dot that may end it."""
    host = b"" if exchange.head is None or exchange.head.host is None else exchange.head.host
    name = host.decode("latin-1")
    if not name.endswith("]") and ":" in name:
        name = name.rpartition(":")[0]
    return name.removesuffix(".")


def _query(exchange: Exchange) -> object:
    """List the values of each parameter; a query with two readings is none."""
    query = None if exchange.head is None else exchange.head.query
    if not query:
        return {}
    if b";" in query:
        raise UnfitError("a query that some services split at ';'")
    found: dict[str, list[str]] = {}
    try:
        for name, value in pairs(query):
            found.setdefault(name, []).append(decoded(value))
    except UndecodableError as error:
        raise UnfitError("a query that cannot be decoded") from error
    return found


def _headers(exchange: Exchange) -> object:
    """Give fields by lower-case name; several lines are one, joined as RFC 9110 §5.3 says."""
    found: dict[str, str] = {}
    for line in () if exchange.head is None else exchange.head.lines:
        raw, _, content = line.partition(b":")
        name = raw.decode("latin-1").lower()
        value = content.strip(b" \t").decode(errors="replace")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _tenant_id(exchange: Exchange) -> object:
    return None if exchange.tenant is None else str(exchange.tenant.id)


def _attributes(exchange: Exchange) -> object:
    return {} if exchange.tenant is None else dict(exchange.tenant.attributes)


_READERS: Final[dict[Need, Callable[[Exchange], object]]] = {
    ("request", "method"): _method,
    ("request", "path"): lambda exchange: "/" + "/".join(exchange.segments),
    ("request", "host"): _host,
    ("request", "query"): _query,
    ("request", "headers"): _headers,
    ("client", "address"): lambda exchange: exchange.client,
    ("caller", "subject"): lambda exchange: exchange.principal.subject,
    ("caller", "tenant"): _tenant_id,
    ("caller", "roles"): lambda exchange: list(exchange.roles),
    ("caller", "scopes"): lambda exchange: sorted(exchange.principal.scopes),
    ("caller", "tier"): lambda exchange: exchange.tier,
    ("caller", "kind"): lambda exchange: exchange.principal.kind,
    ("caller", "project"): lambda exchange: exchange.principal.project,
    ("caller", "login"): lambda exchange: exchange.principal.login,
    ("caller", "claims"): lambda exchange: dict(exchange.principal.attributes),
    ("tenant", "id"): _tenant_id,
    ("tenant", "tier"): lambda exchange: None if exchange.tenant is None else exchange.tenant.tier,
    ("tenant", "attributes"): _attributes,
    ("now", ""): lambda exchange: datetime.fromtimestamp(exchange.now, UTC),
}
