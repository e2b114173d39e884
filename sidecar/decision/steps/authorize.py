"""Judge what the caller may do: credential, kind of key, login, role, permission, scopes.

The checks of a route run in this order, and the first that fails refuses:

1. a read-only credential reaches safe methods alone (AZ-7);
2. the kind of the key is one that the route accepts (AZ-3);
3. so is the login method (AZ-8);
4. the highest role of the caller in the tenant is not below the route's (AZ-1);
5. one of these roles has the permission (AZ-2), and the login method is one that it demands (AZ-8);
6. the credential has every scope.
"""

from collections.abc import Iterable
from typing import ClassVar, Final, Protocol

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.permissions import Grant
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route

# RFC 9110 §9.2.1.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class _Check(Protocol):
    """One condition that the caller must fulfil."""

    def judge(self, exchange: Exchange) -> Outcome:
        """Pass or refuse."""


class Authorize(Step):
    """Refuse a caller who may not use the route."""

    name: ClassVar[str] = "authorize"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "principal", "roles"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, checks: Iterable[_Check]) -> None:
        self._checks = tuple(checks)

    @classmethod
    def compile(cls, policy: Policy, route: Route) -> "Authorize":
        """Make the checks of a route that is not public."""
        checks: list[_Check] = [_SafeMethods()]
        if route.key_kinds is not None:
            checks.append(_Kinds(route.key_kinds))
        if route.logins is not None:
            checks.append(_Logins(route.logins, "the route"))
        if route.role is not None:
            sufficient = at_least(policy.roles, route.role)
            checks.append(_Roles(sufficient, f"role below {route.role}"))
        if route.permission is not None:
            checks.extend(_permission(policy, route.permission))
        if route.scopes:
            checks.append(_Scopes(route.scopes))
        return cls(checks)

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse with the first check that fails.

        Controls: AZ-1, AZ-2, AZ-3, AZ-7, AZ-8.
        """
        for check in self._checks:
            outcome = check.judge(exchange)
            if outcome is not PASS:
                return outcome
        return PASS


def at_least(hierarchy: tuple[str, ...], minimum: str) -> tuple[str, ...]:
    """List the roles that are not below one, the highest first; none for a role that is unknown.

    Args:
        hierarchy: all roles, the highest first.
        minimum: the least role that is sufficient.
    """
    return hierarchy[: hierarchy.index(minimum) + 1] if minimum in hierarchy else ()


def holders_of(policy: Policy, grant: Grant) -> tuple[str, ...]:
    """List the roles that have a permission, the highest first."""
    if grant.minimum is not None:
        return at_least(policy.roles, grant.minimum)
    return tuple(role for role in policy.roles if role in grant.roles)


def _permission(policy: Policy, permission: str) -> list[_Check]:
    resource, _, action = permission.partition(".")
    grant = policy.permissions.get(resource, {}).get(action)
    holders = () if grant is None else holders_of(policy, grant)
    reason = f"permission {permission} needs one of {', '.join(holders) or 'no role'}"
    checks: list[_Check] = [_Roles(holders, reason)]
    if grant is not None and grant.logins:
        checks.append(_Logins(grant.logins, f"permission {permission}"))
    return checks


class _SafeMethods(_Check):
    """A read-only credential reaches safe methods alone."""

    _refusal: Final = Refuse(
        RefusalCode.FORBIDDEN, "a read-only credential reaches GET, HEAD and OPTIONS alone"
    )

    def judge(self, exchange: Exchange) -> Outcome:
        if not exchange.principal.is_read_only:
            return PASS
        head = exchange.head
        return PASS if head is not None and head.method in _SAFE else self._refusal


class _Kinds(_Check):
    """The kind of the key is among those of the route; a caller without a key has none."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = frozenset(kinds)
        self._needed = f"the route accepts keys of kind {', '.join(kinds)} alone"

    def judge(self, exchange: Exchange) -> Outcome:
        kind = exchange.principal.kind
        if kind in self._kinds:
            return PASS
        reason = self._needed if kind is None else f"key kind {kind} is not accepted"
        return Refuse(RefusalCode.FORBIDDEN, reason)


class _Logins(_Check):
    """The caller logged in by one of these methods."""

    def __init__(self, logins: tuple[str, ...], whose: str) -> None:
        self._logins = frozenset(logins)
        self._refusal = Refuse(
            RefusalCode.FORBIDDEN, f"{whose} needs login by {' or '.join(logins)}"
        )

    def judge(self, exchange: Exchange) -> Outcome:
        return PASS if exchange.principal.login in self._logins else self._refusal


class _Roles(_Check):
    """The caller has one of these roles in the tenant."""

    def __init__(self, roles: tuple[str, ...], reason: str) -> None:
        self._roles = frozenset(roles)
        self._refusal = Refuse(RefusalCode.FORBIDDEN, reason)

    def judge(self, exchange: Exchange) -> Outcome:
        for role in exchange.roles:
            if role in self._roles:
                return PASS
        return self._refusal


class _Scopes(_Check):
    """The credential has all of these scopes."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self._scopes = frozenset(scopes)
        words = " ".join(scopes)
        # RFC 6750 §3.1; the grammar of a scope has no quote and no backslash.
        challenge = f'Bearer realm="sidecar", error="insufficient_scope", scope="{words}"'
        self._refusal = Refuse(
            RefusalCode.INSUFFICIENT_SCOPE,
            f"the credential lacks one of the scopes {words}",
            (b"WWW-Authenticate: " + challenge.encode(),),
        )

    def judge(self, exchange: Exchange) -> Outcome:
        return PASS if self._scopes <= exchange.principal.scopes else self._refusal
