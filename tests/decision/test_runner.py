"""The one place that calls steps: it stops at the first refusal, or records it in shadow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from sidecar.decision.runner import Waiting, decide, refuse_unanswered, respond, resume
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse, Respond
from sidecar.model.questions import FindTenant, Question
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from tests.builders import an_exchange

NO = Refuse(RefusalCode.FORBIDDEN, "no")
NEVER = Refuse(RefusalCode.NOT_FOUND, "never")


@dataclass(frozen=True, slots=True)
class Soft:
    """A step that gives an outcome and leaves its mark; shadow may overrule it."""

    outcome: Outcome
    name: ClassVar[str] = "soft"
    reads: ClassVar[frozenset[str]] = frozenset()
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def decide(self, exchange: Exchange) -> Outcome:
        exchange.response_lines.append(self.name.encode())
        return self.outcome

    def apply(self, exchange: Exchange) -> None:
        exchange.response_lines.append(b"applied")

    may_read: ClassVar[frozenset[str]] = frozenset()


class Firm(Soft):
    """The same, and shadow may not."""

    name: ClassVar[str] = "firm"
    can_shadow: ClassVar[bool] = False


@pytest.mark.parametrize("shadow", [False, True])
def test_a_step_that_answers_ends_it_in_shadow_mode_too(*, shadow: bool) -> None:
    exchange = an_exchange()
    answer = Respond(204, "done")
    assert decide((Firm(PASS), Soft(answer), Firm(NEVER)), exchange, shadow=shadow) is answer
    assert exchange.refused_by == "soft"
    assert exchange.shadow == []


@pytest.mark.parametrize("shadow", [False, True])
def test_steps_that_pass_leave_no_trace(*, shadow: bool) -> None:
    exchange = an_exchange()
    assert decide((Soft(PASS), Firm(PASS)), exchange, shadow=shadow) is None
    assert exchange.response_lines == [b"soft", b"firm"]
    assert exchange.shadow == []
    assert not hasattr(exchange, "refused_by")


def test_the_first_refusal_ends_it() -> None:
    exchange = an_exchange()
    assert decide((Firm(PASS), Soft(NO), Firm(NEVER)), exchange, shadow=False) is NO
    assert exchange.response_lines == [b"firm", b"soft"]
    assert exchange.refused_by == "soft"


def test_shadow_records_refusals_and_goes_on() -> None:
    exchange = an_exchange()
    assert decide((Soft(NO), Soft(NEVER), Firm(PASS)), exchange, shadow=True) is None
    assert exchange.shadow == [NO, NEVER]
    assert not hasattr(exchange, "refused_by")


def test_a_firm_step_refuses_in_shadow_too() -> None:
    exchange = an_exchange()
    assert decide((Soft(NO), Firm(NEVER), Soft(NO)), exchange, shadow=True) is NEVER
    assert exchange.shadow == [NO]
    assert exchange.refused_by == "firm"


def test_all_response_steps_run() -> None:
    exchange = an_exchange()
    respond((Soft(PASS), Firm(PASS)), exchange)
    assert exchange.response_lines == [b"applied", b"applied"]


QUESTION = FindTenant(TenantId("acme"))


class Asking:
    """A step that asks once or twice, then gives its outcome."""

    name: ClassVar[str] = "asking"
    reads: ClassVar[frozenset[str]] = frozenset()
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, outcome: Outcome, times: int = 1) -> None:
        self.outcome = outcome
        self.left = times
        self.answers: list[object] = []

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        exchange.response_lines.append(b"asks")
        return Ask(QUESTION)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        assert question is QUESTION
        exchange.response_lines.append(b"resumed")
        self.answers.append(answer)
        self.left -= 1
        return self.outcome if self.left == 0 else Ask(QUESTION)


def a_wait(steps: Sequence[Step], exchange: Exchange, *, shadow: bool = False) -> Waiting:
    waiting = decide(steps, exchange, shadow=shadow)
    assert isinstance(waiting, Waiting)
    return waiting


def test_a_step_that_asks_stops_the_others_until_it_has_its_answer() -> None:
    exchange = an_exchange()
    step = Asking(PASS)
    steps = (Soft(PASS), step, Firm(PASS))
    waiting = a_wait(steps, exchange)
    assert (waiting.at, waiting.question) == (1, QUESTION)
    assert exchange.response_lines == [b"soft", b"asks"]
    assert resume(waiting, "answer", exchange) is None
    assert step.answers == ["answer"]
    assert exchange.response_lines == [b"soft", b"asks", b"resumed", b"firm"]


def test_a_step_may_ask_again() -> None:
    exchange = an_exchange()
    step = Asking(NO, times=2)
    again = resume(a_wait((step,), exchange), "one", exchange)
    assert isinstance(again, Waiting)
    assert resume(again, "two", exchange) is NO
    assert step.answers == ["one", "two"]
    assert exchange.refused_by == "asking"


def test_steps_behind_the_answer_may_refuse_or_ask_too() -> None:
    exchange = an_exchange()
    refused = (Asking(PASS), Firm(NO))
    assert resume(a_wait(refused, exchange), "", exchange) is NO
    asked = (Asking(PASS), Asking(PASS))
    following = resume(a_wait(asked, exchange), "", exchange)
    assert isinstance(following, Waiting)
    assert following.at == 1


def test_shadow_mode_records_a_refusal_that_came_with_an_answer() -> None:
    exchange = an_exchange()
    steps = (Asking(NO), Firm(PASS))
    assert resume(a_wait(steps, exchange, shadow=True), "", exchange) is None
    assert exchange.shadow == [NO]


def test_a_question_that_cannot_be_answered_refuses_whatever_the_mode() -> None:
    exchange = an_exchange()
    steps = (Asking(PASS),)
    assert refuse_unanswered(a_wait(steps, exchange), NO, exchange) is NO
    assert exchange.refused_by == "asking"
