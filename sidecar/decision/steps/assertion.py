"""Sign who is calling, bound to this very request, so that the upstream can verify it (TN-3)."""

from typing import ClassVar

from sidecar.decision.steps.authenticate import is_unproved
from sidecar.knowledge.auth.assertion import Signer, Statement
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step


class Assertion(Step):
    """Add the assertion to the identity lines; for routes whose callers are known."""

    name: ClassVar[str] = "assertion"
    # The lines too: the step stands behind the one that writes them, and adds one of its own.
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "head",
            "identity_lines",
            "now",
            "own_id",
            "principal",
            "request_id",
            "roles",
            "tenant",
            "tier",
            "upstream_path",
        }
    )
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, signer: Signer, header: str) -> None:
        """Keep what is the same for every request.

        Args:
            signer: made once for a policy, shared by all routes.
            header: name of the field.
        """
        self._signer = signer
        self._start = header.encode() + b": "

    def decide(self, exchange: Exchange) -> Outcome:
        """Append the line.

        Source: RFC 7515 §7.1. Controls: TN-3.
        """
        head, principal, tenant = exchange.head, exchange.principal, exchange.tenant
        if head is None or is_unproved(exchange):
            return PASS
        statement = Statement(
            subject=principal.subject,
            tenant=None if tenant is None else tenant.id,
            roles=exchange.roles,
            scopes=sorted(principal.scopes),
            tier=exchange.tier,
            key_id=principal.credential_id if principal.method is Method.API_KEY else None,
            method=head.method,
            target=exchange.upstream_path,
            request_id=exchange.request_id,
            jti=exchange.own_id,
        )
        try:
            signed = self._signer.sign(statement, exchange.now)
        except UnicodeEncodeError:
            # JSON can spell half a character (RFC 8259 §8.2), and a token's `sub` is JSON.
            return unauthorized("a fact about the caller is not text")
        # A list of its own: the lines of a caller are remembered, and are another request's too.
        exchange.identity_lines = [*exchange.identity_lines, self._start + signed]
        return PASS
