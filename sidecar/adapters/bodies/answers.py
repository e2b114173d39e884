"""Answers where processes judge large bodies: theirs, and those of whoever knows the rest."""

from collections.abc import Callable

from sidecar.adapters.bodies.judges import Judges
from sidecar.model.ports import Answers
from sidecar.model.questions import JudgeBody, Question


class BodyAnswers:
    """Has bodies judged, and passes everything else on.

    Args:
        judges: the processes, which outlive a policy.
        others: answers all other questions.
    """

    def __init__(self, judges: Judges, others: Answers) -> None:
        self._judges = judges
        self._others = others

    async def find(self, question: Question) -> object:
        """Answer a question.

        Raises:
            StoreUnavailableError: it cannot be answered now.
        """
        if isinstance(question, JudgeBody):
            return await self._judges.find(question)
        return await self._others.find(question)

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Leave it to others, but for bodies, which take their time."""
        return not isinstance(question, JudgeBody) and self._others.find_soon(question, then)
