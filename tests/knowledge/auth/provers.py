"""Provers that know what a credential is by its first letters; they implement the real protocol."""

from sidecar.knowledge.auth.prover import Proof, unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.questions import Question


class FixedProver:
    """Recognises values with a prefix, and says of each of them what it was told to say."""

    def __init__(self, prefix: bytes, proof: Proof, resumed: Proof | None = None) -> None:
        self._prefix = prefix
        self._proof = proof
        self._resumed = resumed
        self.judged: list[bytes] = []
        self.answers: list[object] = []

    def recognises(self, value: bytes) -> bool:
        return value.startswith(self._prefix)

    def judge(self, credential: bytes, exchange: Exchange) -> Proof:
        del exchange
        self.judged.append(credential)
        return self._proof if self.recognises(credential) else unauthorized("unknown prefix")

    def resume(
        self, credential: bytes, exchange: Exchange, question: Question, answer: object
    ) -> Proof:
        del exchange, question
        self.judged.append(credential)
        self.answers.append(answer)
        return self._resumed or self._proof
