"""The one place that calls steps: it stops at the first refusal, or records it in shadow."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from sidecar.decision.runner import decide, respond
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
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
