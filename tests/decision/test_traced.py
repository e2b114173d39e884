"""What is watched is decided as what is served; the observer hears of every step, in order."""

from collections.abc import Sequence
from itertools import product
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision import runner, traced
from sidecar.decision.runner import Waiting
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse, Respond
from sidecar.model.questions import FindTenant, Question
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from tests.builders import an_exchange

NO = Refuse(RefusalCode.FORBIDDEN, "no")
NEVER = Refuse(RefusalCode.NOT_FOUND, "never")
DONE = Respond(204, "done")
UNANSWERED = Refuse(RefusalCode.STORE_UNAVAILABLE, "nobody answers")
QUESTION = FindTenant(TenantId("acme"))


class Soft:
    """A step that asks so often, then gives an outcome; shadow may overrule it."""

    name: ClassVar[str] = "soft"
    reads: ClassVar[frozenset[str]] = frozenset()
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, outcome: Outcome, asks: int = 0) -> None:
        self.outcome = outcome
        self.asks = asks
        self.left = asks

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        self.left = self.asks
        exchange.response_lines.append(self.name.encode())
        return self._next()

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        assert question is QUESTION
        exchange.response_lines.append(str(answer).encode())
        return self._next()

    def _next(self) -> Outcome | Ask:
        if self.left:
            self.left -= 1
            return Ask(QUESTION)
        return self.outcome


class Firm(Soft):
    """The same, and shadow may not."""

    name: ClassVar[str] = "firm"
    can_shadow: ClassVar[bool] = False


class Heard:
    """An observer that takes down what it hears."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def begins(self, step: Step, exchange: Exchange) -> None:
        assert exchange.response_lines is not None
        self.words.append(f"{step.name} begins")

    def asked(self, step: Step, question: Question) -> None:
        assert question is QUESTION
        self.words.append(f"{step.name} asked")

    def answered(self, step: Step, exchange: Exchange, answer: object) -> None:
        assert exchange.response_lines is not None
        self.words.append(f"{step.name} heard {answer}")

    def ended(
        self,
        step: Step,
        exchange: Exchange,
        outcome: Refuse | Respond | None,
        shadowed: Sequence[Refuse],
    ) -> None:
        assert exchange.response_lines is not None
        reason = "passed" if outcome is None else outcome.reason
        self.words.append(f"{step.name} {reason}{len(shadowed) or ''}")


Ended = tuple[object, list[bytes], list[Refuse], str | None]


def plainly(steps: Sequence[Step], *, shadow: bool, answers: int) -> Ended:
    """Serve a list of steps; what is asked after so many answers has none."""
    exchange = an_exchange()
    outcome = runner.decide(steps, exchange, shadow=shadow)
    while isinstance(outcome, Waiting):
        answers -= 1
        if answers < 0:
            outcome = runner.refuse_unanswered(outcome, UNANSWERED, exchange)
        else:
            outcome = runner.resume(outcome, answers, exchange)
    return _ended(outcome, exchange)


def watched(steps: Sequence[Step], *, shadow: bool, answers: int) -> tuple[Ended, list[str]]:
    """The same, watched."""
    exchange, heard = an_exchange(), Heard()
    outcome = traced.decide(steps, exchange, shadow=shadow, observer=heard)
    while isinstance(outcome, Waiting):
        answers -= 1
        if answers < 0:
            outcome = traced.refuse_unanswered(outcome, UNANSWERED, exchange, heard)
        else:
            outcome = traced.resume(outcome, answers, exchange, heard)
    return _ended(outcome, exchange), heard.words


def _ended(outcome: Refuse | Respond | None, exchange: Exchange) -> Ended:
    by = getattr(exchange, "refused_by", None)
    return outcome, exchange.response_lines, exchange.shadow, by


STEPS = st.builds(
    lambda make, outcome, asks: make(outcome, asks),
    st.sampled_from([Soft, Firm]),
    st.sampled_from([PASS, PASS, PASS, NO, NEVER, DONE]),
    st.integers(0, 2),
)


@given(st.lists(STEPS, max_size=6), st.booleans(), st.integers(0, 6))
def test_what_is_watched_is_decided_as_what_is_served(
    steps: list[Soft], shadow: bool, answers: int
) -> None:
    ended, words = watched(steps, shadow=shadow, answers=answers)
    assert ended == plainly(steps, shadow=shadow, answers=answers)
    assert len([word for word in words if word.endswith("begins")]) <= len(steps)


def test_the_observer_hears_of_every_step_in_order() -> None:
    steps = (Firm(PASS), Soft(NO, asks=2), Firm(NEVER), Soft(PASS))
    ended, words = watched(steps, shadow=True, answers=9)
    assert ended[0] is NEVER
    assert words == [
        "firm begins", "firm passed",
        "soft begins", "soft asked", "soft heard 8", "soft asked", "soft heard 7", "soft passed1",
        "firm begins", "firm never",
    ]  # fmt: skip


def test_the_observer_hears_that_nobody_answered() -> None:
    ended, words = watched((Soft(PASS, asks=1), Firm(PASS)), shadow=False, answers=0)
    assert ended[0] is UNANSWERED
    assert words == ["soft begins", "soft asked", "soft nobody answers"]


@pytest.mark.parametrize(("first", "second"), [*product((runner, traced), repeat=2)])
def test_one_runner_goes_on_where_the_other_waited(first: object, second: object) -> None:
    steps = (Firm(PASS), Soft(PASS, asks=1), Firm(NO))
    exchange, heard = an_exchange(), Heard()
    waiting = (
        runner.decide(steps, exchange, shadow=False)
        if first is runner
        else traced.decide(steps, exchange, shadow=False, observer=heard)
    )
    assert isinstance(waiting, Waiting)
    assert (waiting.steps, waiting.at, waiting.shadow) == (steps, 1, False)
    outcome = (
        runner.resume(waiting, "it", exchange)
        if second is runner
        else traced.resume(waiting, "it", exchange, heard)
    )
    assert outcome is NO
    assert exchange.response_lines == [b"firm", b"soft", b"it", b"firm"]
