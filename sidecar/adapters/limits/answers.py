"""Answers where limits are counted on a server: its own, and those of whoever knows the rest."""

from collections.abc import Callable

from sidecar.adapters.limits.redis import RedisLimits
from sidecar.model.ports import Answers
from sidecar.model.questions import Question, TakeLimits


class LimitAnswers:
    """Passes charges to the counters, and everything else on.

    Args:
        limits: the counters.
        others: answers all other questions.
    """

    def __init__(self, limits: RedisLimits, others: Answers) -> None:
        self._limits = limits
        self._others = others

    async def find(self, question: Question) -> object:
        """Answer a question.

        Raises:
            StoreUnavailableError: it cannot be answered now.
        """
        if isinstance(question, TakeLimits):
            return await self._limits.find(question)
        return await self._others.find(question)

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Answer questions of limits; others have to wait."""
        if not isinstance(question, TakeLimits):
            return self._others.find_soon(question, then)
        self._limits.ask(question, then)
        return True
