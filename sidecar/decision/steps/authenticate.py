"""Find out who the caller is: exactly one credential, judged by the one method that it is of.

A public route verifies nothing, but what is the sidecar's own does not reach the service either.
"""

from typing import ClassVar, Final

from sidecar.decision.steps.failures import Failures
from sidecar.knowledge.auth.credentials import Credentials
from sidecar.knowledge.auth.prover import CHALLENGE, Proof, unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import Question, TakeLimits
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep, Step

NOBODY: Final = Principal(Method.API_KEY, "", "", memberships={})
"""Stands for the caller while nobody is known: no tenant, no role, no scope."""

_INVALID: Final = CHALLENGE + b', error="invalid_token"'


def is_unproved(exchange: Exchange) -> bool:
    """Tell whether shadow mode lets somebody pass who would get a 401, the tenant's included."""
    if exchange.principal is NOBODY:
        return True
    return any(refusal.code is RefusalCode.UNAUTHORIZED for refusal in exchange.shadow)


class Authenticate(AskingStep):
    """Write the principal, or refuse with the face that all failures share (AN-6)."""

    name: ClassVar[str] = "authenticate"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "client", "now"})
    writes: ClassVar[frozenset[str]] = frozenset({"principal"})
    can_shadow: ClassVar[bool] = True

    def __init__(
        self,
        credentials: Credentials,
        accepted: frozenset[Method] | None,
        *,
        forwards: bool,
        is_verbose: bool,
        failures: Failures | None = None,
    ) -> None:
        """Keep what is the same for every request.

        Args:
            credentials: reads what a request carries.
            accepted: methods that the route accepts; None for all.
            forwards: whether the service sees the credential that was used.
            is_verbose: whether a client with a bad credential is told so (RFC 6750 §3.1).
            failures: counts failures; None for nobody.
        """
        self._credentials = credentials
        self._accepted = accepted
        self._forwards = forwards
        self._is_verbose = is_verbose
        self._failures = failures

    @property
    def again(self) -> "Authenticate":
        """The same for an exchange that was admitted before: it counts nobody's failures."""
        if self._failures is None:
            return self
        return Authenticate(
            self._credentials, self._accepted, forwards=self._forwards, is_verbose=self._is_verbose
        )

    def accepts(self, method: Method) -> bool:
        """Tell whether the route accepts a method."""
        return self._accepted is None or method in self._accepted

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Judge the one credential.

        Controls: AN-4, AN-6, AN-16.
        """
        exchange.principal = NOBODY
        head = exchange.head
        if head is None:
            return unauthorized("no credential")
        found = self._credentials.read(head, claims_any_bearer=True)
        if not self._forwards:
            # Before all else: shadow mode may let it pass whatever comes.
            exchange.credential_lines = found.lines
        if self._failures is not None and (refusal := self._failures.locked_out(exchange)):
            return refusal
        if len(found.values) != 1:
            if not found.values:
                return unauthorized("no credential")
            return self._failed(unauthorized("two different credentials"), exchange)
        prover = self._credentials.prover_of(found)
        if prover is None:
            return unauthorized("no method judges this credential")
        return self._concluded(prover.judge(found.values[0], exchange), exchange)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Go on with what a store or an issuer said."""
        if isinstance(question, TakeLimits) and self._failures is not None:
            return self._failures.resume(exchange, question, answer)
        if self._failures is not None and (refusal := self._failures.locked_out(exchange)):
            # Others of the same caller have failed since it was asked for.
            return refusal
        head = exchange.head
        if head is None:
            return unauthorized("no credential")
        # Read again: it is rare, and a credential need not be kept while the exchange waits.
        found = self._credentials.read(head, claims_any_bearer=True)
        prover = self._credentials.prover_of(found)
        if prover is None:
            return unauthorized("no method judges this credential")
        return self._concluded(prover.resume(found.values[0], exchange, question, answer), exchange)

    def _concluded(self, proof: Proof, exchange: Exchange) -> Outcome | Ask:
        if isinstance(proof, Principal):
            if not self.accepts(proof.method):
                return unauthorized(f"{proof.method.value} is not accepted here")
            exchange.principal = proof
            return PASS
        if not isinstance(proof, Refuse) or proof.code is not RefusalCode.UNAUTHORIZED:
            return proof
        if self._is_verbose:
            proof = Refuse(proof.code, proof.reason, (_INVALID,), has_floor=True)
        return self._failed(proof, exchange)

    def _failed(self, failure: Refuse, exchange: Exchange) -> Outcome | Ask:
        return failure if self._failures is None else self._failures.note(exchange, failure)


class Withhold(Step):
    """Keep credentials of the sidecar's own from the service of a public route."""

    name: ClassVar[str] = "withhold"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def decide(self, exchange: Exchange) -> Outcome:
        """Note the lines that must not go on."""
        if exchange.head is not None:
            found = self._credentials.read(exchange.head, claims_any_bearer=False)
            exchange.credential_lines = found.lines
        return PASS
