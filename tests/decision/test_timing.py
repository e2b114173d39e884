"""Steps are timed by a clock that is handed in, and only of a sample of the requests."""

from sidecar.decision import traced
from sidecar.decision.runner import Waiting
from sidecar.decision.timing import Sampling, StepTimer
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Ask, Outcome
from sidecar.model.questions import Question
from tests.builders import an_exchange
from tests.conftest import ManualClock
from tests.decision.test_traced import DONE, Firm, Soft


def unheard(step: str, seconds: float) -> None:
    raise AssertionError(step, seconds)


class Working(Soft):
    """A step that works for a second whenever it is run."""

    def __init__(self, clock: ManualClock, outcome: Outcome, asks: int = 0) -> None:
        super().__init__(outcome, asks)
        self._clock = clock

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        self._clock.advance(1)
        return super().decide(exchange)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        self._clock.advance(1)
        return super().resume(exchange, question, answer)


def test_each_step_is_timed_alone(clock: ManualClock) -> None:
    noted: list[tuple[str, float]] = []
    timer = StepTimer(clock, lambda step, seconds: noted.append((step, seconds)))
    steps = (Working(clock, PASS), Firm(PASS), Working(clock, DONE))
    outcome = traced.decide(steps, an_exchange(), shadow=False, observer=timer)
    assert outcome is DONE
    assert noted == [("soft", 1.0), ("firm", 0.0), ("soft", 1.0)]


def test_the_wait_for_an_answer_is_not_the_steps_time(clock: ManualClock) -> None:
    noted: list[tuple[str, float]] = []
    timer = StepTimer(clock, lambda step, seconds: noted.append((step, seconds)))
    exchange = an_exchange()
    waits = traced.decide((Working(clock, PASS, asks=2),), exchange, shadow=False, observer=timer)
    for _ in range(2):
        assert isinstance(waits, Waiting)
        clock.advance(100)
        assert noted == []
        waits = traced.resume(waits, "here", exchange, timer)
    assert waits is None
    assert noted == [("soft", 3.0)]


def test_one_request_in_so_many_is_timed_however_the_lot_falls(clock: ManualClock) -> None:
    lots = iter((0.0, 0.5, 0.9999))
    sampling = Sampling(256, clock, lambda: next(lots), unheard)
    gaps = [sampling.gap() for _ in range(3)]
    assert gaps == [1, 256, 511]
    assert sum(gaps) / len(gaps) == 256


def test_every_request_may_be_timed(clock: ManualClock) -> None:
    sampling = Sampling(1, clock, lambda: 0.9999, unheard)
    assert sampling.gap() == 1
    assert sampling.timer() is not sampling.timer()
