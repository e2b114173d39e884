"""Failed authentications are counted, and whoever has too many is not looked at."""

from collections.abc import Sequence

import pytest

from sidecar.decision.charges import Counted, Networks
from sidecar.decision.steps.failures import LOCKED, Failures
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.limits import SECOND, Charge, Count
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import TakeLimits
from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.limits import RateLimits
from tests.builders import an_exchange
from tests.knowledge.limits.a_limit import a_window

BAD = unauthorized("digest unknown")
LIMIT = a_window(3)


class Told:
    """Limits that say what a test wants, one answer after the other."""

    def __init__(self, *answers: Count | Unsure) -> None:
        self._answers = list(answers)

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        assert len(charges) == 1
        answer = self._answers.pop(0)
        return answer if answer is UNKNOWN else (answer,)


def counting(*answers: Count | Unsure) -> Failures:
    networks = Networks(RateLimits())
    return Failures(Counted(LIMIT, ["address"], networks, 1), Told(*answers))


def from_(client: str, at: float = 1000.0) -> Exchange:
    exchange = an_exchange()
    exchange.client = client
    exchange.now = at
    return exchange


def room(left: int, wait_seconds: float = 20) -> Count:
    return Count(is_admitted=True, left=left, wait=int(wait_seconds * SECOND))


def full(wait_seconds: float = 20) -> Count:
    return Count(is_admitted=False, left=0, wait=int(wait_seconds * SECOND))


def codes(found: Sequence[object]) -> list[RefusalCode | None]:
    return [one.code if isinstance(one, Refuse) else None for one in found]


@pytest.mark.control("AN-5")
def test_the_last_failure_that_has_room_locks_out_until_there_is_more() -> None:
    failures = counting(room(1), room(0, 20.5))
    assert failures.note(from_("192.0.2.1"), BAD) is BAD
    assert failures.locked_out(from_("192.0.2.1")) is None
    assert failures.note(from_("192.0.2.1"), BAD) is BAD
    refused = failures.locked_out(from_("192.0.2.1"))
    assert refused is not None
    assert (refused.code, refused.lines) == (RefusalCode.RATE_LIMITED, (b"Retry-After: 21",))
    assert refused.has_floor
    others = [("192.0.2.2", 1000.0), ("192.0.2.1", 1020.5), ("192.0.2.1", 1000.0)]
    assert codes([failures.locked_out(from_(*one)) for one in others]) == [None] * 3


def test_a_failure_without_room_is_refused_for_want_of_it() -> None:
    failures = counting(full())
    assert codes([failures.note(from_("192.0.2.1"), BAD)]) == [RefusalCode.RATE_LIMITED]
    assert codes([failures.locked_out(from_("192.0.2.1"))]) == [RefusalCode.RATE_LIMITED]


def test_what_a_server_says_is_asked_for_and_the_failure_is_kept_meanwhile() -> None:
    failures = counting(UNKNOWN)
    exchange = from_("192.0.2.1")
    asked = failures.note(exchange, BAD)
    assert isinstance(asked, Ask)
    question = asked.question
    assert isinstance(question, TakeLimits)
    assert failures.resume(exchange, question, (room(2),)) is BAD
    assert codes([failures.resume(exchange, question, (full(),))]) == [RefusalCode.RATE_LIMITED]


def test_another_answer_than_counts_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="failures are counted"):
        counting().resume(from_("192.0.2.1"), TakeLimits(()), "no counts")


def test_only_so_many_are_remembered_the_newest() -> None:
    failures = counting(*[full(20)] * (LOCKED + 1))
    names = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(LOCKED + 1)]
    for name in names:
        failures.note(from_(name), BAD)
    found = [failures.locked_out(from_(name)) for name in (names[0], names[1], names[-1])]
    assert [one is not None for one in found] == [False, True, True]
