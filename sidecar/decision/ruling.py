"""Which key of the policy stands behind what a step said; its line is for whoever has the text."""

from collections.abc import Callable, Mapping
from typing import Final

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.policy.nodes import Path
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

# What a step of every route reads, where no part of its route does.
_GENERAL: Final[Mapping[str, Path]] = {
    "client_address": ("listen", "trusted_proxies"),
    "request_id": ("listen", "trusted_proxies"),
    "blocked_address": ("blocks",),
    "blocked_caller": ("blocks",),
    "blocked_tenant": ("blocks",),
    "address_limit": ("limits", "address"),
    "key_limit": ("limits", "key"),
    "well_known": ("absent",),
    "authenticate": ("authentication",),
    "withhold": ("authentication",),
    "tenant": ("tenants",),
    "domain_lock": ("authentication", "api_keys", "domain_lock"),
    "tier": ("tiers",),
    "identity_headers": ("identity_headers",),
    "assertion": ("assertion",),
    "collect": ("reports",),
    "overload": ("listen", "limits"),
    "framing": ("listen", "limits"),
    "route": ("routes",),
    "limits": ("tiers",),
    "upstream": ("upstream",),
    "tenant_upstream": ("upstream",),
    "forward": ("upstream",),
}

# Keys of a route by the step that reads them, the most telling first.
_OF_ROUTE: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("allow_encoded_slash",),
    "route": ("methods", "path"),
    "addresses": ("addresses",),
    "forbidden": ("forbid",),
    "authenticate": ("authenticate",),
    "authorize": ("role", "permission", "scopes", "condition"),
    "tenant_binding": ("bind", "path"),
    "condition": ("condition",),
    "webhook_signature": ("webhook",),
    "limits": ("limits",),
    "mcp": ("mcp",),
    "upstream": ("upstream", "strip_prefix"),
    "tenant_upstream": ("strip_prefix",),
    "forward": ("upstream",),
}

# Sections that a route lays over the policy's own.
_OVERLAID: Final[Mapping[str, str]] = {
    "preflight": "cors",
    "origin": "cors",
    "declared_body": "body",
    "body_rules": "body",
    "csrf": "csrf",
    "csp_nonce": "csp",
}

# Reasons of `authorize` by their words, to the key of the route that said so; to none for what
# is built in.
_DEMANDS: Final = (
    ("read-only", ""),
    ("role below", "role"),
    ("permission ", "permission"),
    ("scopes", "scopes"),
    ("key", "key_kinds"),
    ("login", "logins"),
)


def route_of(policy: Policy, index: int | None) -> Route | None:
    """Return a route of the policy by its index; None for what no route matched."""
    return None if index is None else policy.routes[index]


def ruling(
    policy: Policy, index: int | None, step: str, refusal: Refuse | None, exchange: Exchange
) -> Path:
    """Find the key behind a step.

    Args:
        policy: the policy.
        index: index of the route; None for none.
        step: name of the step.
        refusal: what it refused with; None if it passed.
        exchange: the exchange, for what depends on the caller.

    Returns:
        The path of a key that the policy may or may not write; empty for what is built in.
    """
    special = _SPECIAL.get(step)
    found = None if special is None else special(policy, index, refusal, exchange)
    if found is not None:
        return found
    section = _OVERLAID.get(step)
    route = route_of(policy, index)
    if section is not None:
        is_own = route is not None and section in route.model_fields_set
        return ("routes", index or 0, section) if is_own else (section,)
    for key in _OF_ROUTE.get(step, ()):
        if route is not None and key in route.model_fields_set:
            return ("routes", index or 0, key)
    return _GENERAL.get(step, ())


def limit_key(policy: Policy, index: int | None, limit_id: str) -> Path:
    """Find the key of a limit by the id of its counters, as `decision/limits.py` makes it."""
    kind, _, rest = limit_id.partition("/")
    if kind == "tier":
        tier, at = rest.split("/")[:2]
        return ("tiers", tier, int(at))
    if kind == "route":
        route = route_of(policy, index)
        after = rest.partition(f"{route.template}/")[2] if route is not None else ""
        return ("routes", index or 0, "limits", int(after.split("/")[0] or 0))
    return ("limits", "failed_authentication" if kind == "failed" else kind)


def _limits(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    """Name the limit that refused; the last one that was charged where none did."""
    if refusal is None or not exchange.taken:
        return None
    named = [one for one in exchange.taken if f"limit {one.limit.name}:" in refusal.reason]
    return limit_key(policy, index, named[-1].limit.id) if named else None


def _authenticate(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    if refusal is not None and refusal.code is RefusalCode.RATE_LIMITED:
        return ("limits", "failed_authentication")
    if refusal is not None and refusal.reason.endswith("is not accepted here"):
        return ("routes", index or 0, "authenticate")
    if refusal is not None:
        return ("authentication",)
    del policy, exchange
    return None


def _authorize(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    del policy, exchange
    if refusal is None or index is None:
        return None
    for words, key in _DEMANDS:
        if words in refusal.reason:
            return ("routes", index, key) if key else ()
    return None


def _tenant(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    del index
    memberships = exchange.principal.memberships
    named = next(iter(memberships)) if len(memberships) == 1 else ""
    if named not in policy.tenants:
        return None
    if refusal is None:
        return ("tenants", named)
    return ("tenants", named, "logins" if "login" in refusal.reason else "status")


def _tenant_upstream(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    del index, refusal
    tenant = exchange.tenant
    if tenant is None or tenant.upstream is None or tenant.id not in policy.tenants:
        return None
    return ("tenants", tenant.id, "upstream")


def _route(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    del policy, exchange
    if refusal is None or index is None:
        return None
    return ("routes", index, "methods")


def _body(
    policy: Policy, index: int | None, refusal: Refuse | None, exchange: Exchange
) -> Path | None:
    del exchange
    route = route_of(policy, index)
    if refusal is None:
        return None
    if refusal.code in _MISMATCHES and route is not None:
        named = next((key for words, key in _OF_BODIES if words in refusal.reason), "storage_keys")
        return ("routes", index or 0, named)
    key = _BODY_KEYS.get(refusal.code)
    if "items" in refusal.reason:
        key = "items"
    if key is None:
        return None
    field = _FIELDS.get(key, key)
    own = route is not None and route.body is not None and field in route.body.model_fields_set
    return ("routes", index or 0, "body", key) if own else ("body", key)


_MISMATCHES: Final = frozenset((RefusalCode.FORBIDDEN, RefusalCode.NOT_FOUND))

# Reasons by which a body is not the caller's to send, by their words.
_OF_BODIES: Final = (("names a", "bind"), ("has the", "forbid"), ("has a member", "forbid"))

_BODY_KEYS: Final = {
    RefusalCode.PAYLOAD_TOO_LARGE: "max",
    RefusalCode.UNSUPPORTED_MEDIA_TYPE: "content_types",
    RefusalCode.UNPROCESSABLE: "schema",
}

# Keys that a section knows by another name: pydantic has the word for itself.
_FIELDS: Final = {"schema": "json_schema"}

_Finding = Callable[[Policy, int | None, Refuse | None, Exchange], Path | None]

_SPECIAL: Final[Mapping[str, _Finding]] = {
    "address_limit": _limits,
    "key_limit": _limits,
    "limits": _limits,
    "authenticate": _authenticate,
    "authorize": _authorize,
    "tenant": _tenant,
    "tenant_upstream": _tenant_upstream,
    "route": _route,
    "declared_body": _body,
    "body_rules": _body,
}
