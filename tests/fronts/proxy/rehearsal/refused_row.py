"""A refused request, and the change that mends it: what a row of the tables says."""

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.model.questions import Question
from tests.fronts.proxy.rehearsal.rehearsing import HEAD, a_caller

VIEWER = a_caller("acme", "viewer")


class NobodyKnown:
    """A store that holds nothing."""

    async def find(self, question: Question) -> object:
        """Find nothing."""
        del question
        return None

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Have whoever asks wait."""
        del question, then
        return False


@dataclass(frozen=True, slots=True)
class Row:
    """A policy, a request that it refuses, and the change that is named first.

    Attributes:
        policy: the rest of the policy.
        asked: the request.
        step: step that refuses.
        mend: words that the change must hold.
        where: the key that it changes, with its line; empty for a change of the request.
        is_enough: whether the request is then admitted.
        answers: what is known beside the policy; None for nothing.
        head: what the policy begins with.
    """

    policy: str
    asked: Asked
    step: str
    mend: str
    where: str = ""
    is_enough: bool = True
    answers: Careful | None = None
    head: str = HEAD
