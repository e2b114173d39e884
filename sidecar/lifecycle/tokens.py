"""Revoking tokens that others issued: their signature stays good, and they are refused (AN-10)."""

import re
from collections.abc import Callable
from typing import Final

from sidecar.lifecycle.errors import BadValueError, audited
from sidecar.lifecycle.tenant_facts import tenant_id
from sidecar.model.identity import Revocation, RevocationKind
from sidecar.model.ports import Event, Events, RevocationStore
from sidecar.policy.schema.authentication import Authentication

_CLAIM: Final = re.compile(r"[^\x00-\x1f\x7f]{1,512}\Z")
# Such tokens are over for good, whenever they were or will be issued: a session outlives the
# tokens that are renewed in it.
_FOR_GOOD: Final = frozenset({RevocationKind.TOKEN, RevocationKind.SESSION})
_OPAQUE_LIFE: Final = 90 * 86400.0
_LEAST_LIFE: Final = 86400.0


class Tokens:
    """Revokes tokens.

    Args:
        store: holds revocations.
        events: the audit.
        now: tells Unix seconds.
        life_seconds: how long a token can be valid, by `token_life`; revocations are kept for it.
    """

    def __init__(
        self,
        store: RevocationStore,
        events: Events,
        now: Callable[[], float],
        life_seconds: float,
    ) -> None:
        self._store = store
        self._events = events
        self._now = now
        self._life_seconds = life_seconds

    async def revoke(
        self,
        actor: str,
        kind: RevocationKind,
        value: str,
        *,
        issuer: str = "",
        life_seconds: float | None = None,
    ) -> Revocation:
        """Refuse a token, or the tokens of a session, subject or tenant.

        A revoked `jti` or `sid` is over for good; of a subject or tenant the tokens issued before
        now are refused, and a new sign-in is served again.

        Args:
            actor: who revokes.
            kind: what `value` is.
            value: the claim's value, or the tenant's id.
            issuer: issuer of the tokens; empty for every issuer.
            life_seconds: for how long; as long as a token can be valid if left out.

        Raises:
            BadValueError: a value does not fit.
            StoreUnavailableError: the store cannot answer.

        Controls: AN-10.
        """
        tenant = value if kind is RevocationKind.TENANT else None
        details: dict[str, object] = {"issuer": issuer} if issuer else {}
        event = Event("token.revoke", actor, tenant, kind.value, value, details=details or None)
        with audited(self._events, event):
            revocation = self._revocation(kind, value, issuer, life_seconds)
            await self._store.revoke(revocation)
        return revocation

    def _revocation(
        self, kind: RevocationKind, value: str, issuer: str, life_seconds: float | None
    ) -> Revocation:
        if kind is RevocationKind.TENANT:
            tenant_id(value)
        elif not _CLAIM.match(value):
            raise BadValueError(f"no {kind.value} has such a name", "the exact text of the claim")
        if issuer and not _CLAIM.match(issuer):
            raise BadValueError("no issuer has such a name", "the exact text of iss")
        life = self._life_seconds if life_seconds is None else life_seconds
        if life <= 0:
            raise BadValueError("a revocation for no time revokes nothing", "a time such as 24h")
        now = self._now()
        expires_at = now + life
        before = expires_at if kind in _FOR_GOOD else now
        return Revocation(kind, issuer, value, before, expires_at)


def token_life(authentication: Authentication) -> float:
    """Say how long a token that the policy accepts can be valid, in seconds; at least a day.

    An opaque token's life is its issuer's secret, which revokes it as well: 90 days.
    """
    lives = [issuer.max_life + issuer.leeway for issuer in authentication.jwt]
    if authentication.introspection is not None:
        lives.append(_OPAQUE_LIFE)
    return max([_LEAST_LIFE, *lives])
