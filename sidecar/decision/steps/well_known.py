"""Answer what the sidecar itself answers on paths of the service (RT-3)."""

from typing import ClassVar, Final, Self

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Respond
from sidecar.model.route import Step
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.well_known import SECURITY_TXT

_METHODS: Final = frozenset({b"GET", b"HEAD"})
_TEXT: Final = b"Content-Type: text/plain; charset=utf-8"


class WellKnown(Step):
    """Answer with security.txt, and with a 404 that browsers remember.

    It stands before `route`: no route gets these paths. Other methods go on to the routes.
    """

    name: ClassVar[str] = "well_known"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, answers: dict[tuple[str, ...], Respond]) -> None:
        self._answers = answers

    @classmethod
    def compile(cls, policy: Policy) -> Self | None:
        """Make the step; None for a policy that has nothing to answer."""
        answers: dict[tuple[str, ...], Respond] = {}
        absent, section = policy.absent, policy.security_txt
        if absent is not None:
            lines = (b"Cache-Control: public, max-age=%d" % absent.max_age,)
            gone = Respond(404, "path that the policy calls absent", lines)
            answers = {_segments(path): gone for path in absent.paths}
        if section is not None:
            answers[_segments(SECURITY_TXT)] = Respond(
                200, "security.txt", (_TEXT, b"Cache-Control: public, max-age=86400"), section.text
            )
        return cls(answers) if answers else None

    def decide(self, exchange: Exchange) -> Outcome:
        """Look the path up.

        Source: RFC 9116 §3. Controls: RT-3.
        """
        answer = self._answers.get(exchange.segments)
        if answer is None or exchange.head is None or exchange.head.method not in _METHODS:
            return PASS
        return answer


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path[1:].split("/"))
