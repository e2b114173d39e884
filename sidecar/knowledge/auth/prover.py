"""What the step `authenticate` asks of each method, and the one face of their failures (AN-6)."""

from typing import Final, Protocol

from sidecar.model.exchange import Exchange
from sidecar.model.identity import Principal
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.questions import Question
from sidecar.model.refusals import RefusalCode

CHALLENGE: Final = b'WWW-Authenticate: Bearer realm="sidecar"'
"""RFC 9110 §11.6.1: every 401 has one; it says nothing about what was wrong."""

Proof = Principal | Refuse | Ask
"""What a prover says: who it is, why not, or what must be known first."""


class Prover(Protocol):
    """One method of authentication."""

    def recognises(self, value: bytes) -> bool:
        """Tell whether a value is a credential of this method, good or bad.

        It decides what is the sidecar's own and what belongs to the application, so it must not
        depend on a store.

        Args:
            value: what stood behind `Bearer`, or in the method's own field.
        """

    def judge(self, credential: bytes, exchange: Exchange) -> Proof:
        """Judge a credential.

        Args:
            credential: the credential as received.
            exchange: gives the client's address, its head and the time; it is not written.
        """

    def resume(
        self, credential: bytes, exchange: Exchange, question: Question, answer: object
    ) -> Proof:
        """Go on with the answer to a question of its own."""


def unauthorized(reason: str) -> Refuse:
    """Refuse with the face that all failures of authentication share.

    Args:
        reason: why, for the audit record alone.

    Controls: AN-5, AN-6.
    """
    return Refuse(RefusalCode.UNAUTHORIZED, reason, (CHALLENGE,), has_floor=True)


def unavailable(reason: str) -> Refuse:
    """Refuse because what must be asked cannot answer: never an admission (AN-4).

    Args:
        reason: what failed, for the audit record alone.
    """
    return Refuse(RefusalCode.STORE_UNAVAILABLE, reason, has_floor=True)
