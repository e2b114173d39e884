"""What is written at once of an admitted exchange says what a whole record of it says."""

import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.audit.exchanges import Composer
from sidecar.adapters.audit.plain import PlainRecords
from sidecar.adapters.audit.record import encode_record
from sidecar.decision.steps.authenticate import NOBODY
from sidecar.decision.steps.request_id import RequestId
from sidecar.knowledge.http1.strict import NO_TARGET
from sidecar.model.events import RouteAction
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.mcp import Rpc
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.model.trace import Trace
from sidecar.model.verdict import Ending, Verdict
from tests.adapters.exchanges import (
    OWN_ID,
    a_head,
    admitted,
    an_exchange,
    an_unreadable_exchange,
    refused,
)
from tests.builders import a_principal, a_tenant

Change = Callable[[Exchange], None]


class Writes(Step):
    """A step of which only matters what it writes."""

    name: ClassVar[str] = "tenant"
    reads: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, *facts: str) -> None:
        self.writes = frozenset(facts)

    def decide(self, exchange: Exchange) -> Outcome:
        """Pass."""
        _ = exchange
        return PASS


def behind(*facts: str, **values: object) -> Change:
    """Have a route's steps write facts, and some of them written."""

    def change(exchange: Exchange) -> None:
        exchange.route = replace(exchange.route, steps=(Writes(*facts),))
        for name, value in values.items():
            setattr(exchange, name, value)

    return change


def traced(exchange: Exchange) -> None:
    exchange.trace = Trace(b"a" * 32, None, b"b" * 16, flags=1, state=b"")


def without_own_id(exchange: Exchange) -> None:
    exchange.request_id = exchange.own_id


def untouched(exchange: Exchange) -> None:
    """Leave an exchange as it is."""


KEY: Final = a_principal(subject='o"brien\\\u202e', credential_id="k1")
PLAIN: Final[dict[str, Change]] = {
    "as it is": untouched,
    "its own id": without_own_id,
    "a trace": traced,
    "a caller": behind("principal", "tenant", principal=KEY, tenant=a_tenant()),
    "a caller of no tenant": behind("principal", "tenant", principal=KEY, tenant=None),
    "a caller where no tenant matters": behind("principal", principal=KEY),
    "nobody": behind("principal", "tenant", principal=NOBODY, tenant=None),
    "a signed webhook": behind("tenant", tenant=a_tenant()),
    "a webhook of nobody's": behind("tenant", tenant=None),
}


def both(exchange: Exchange, verdict: Verdict, records: PlainRecords) -> tuple[object, object]:
    written = records.record(exchange, verdict)
    assert written is not None
    assert b"\n" not in written
    return json.loads(written + b"}"), json.loads(
        encode_record(Composer().record(exchange, verdict))
    )


@pytest.mark.control("AU-1")
@pytest.mark.parametrize("change", PLAIN.values(), ids=PLAIN.keys())
def test_a_plain_record_says_the_same_each_time(change: Change) -> None:
    records = PlainRecords()
    exchange = an_exchange(a_head(lines=[b"X-A: b", b"User-Agent: curl/8.5"]))
    change(exchange)
    for _ in range(2):
        plain, whole = both(exchange, admitted(), records)
        assert plain == whole
        assert list(plain) == list(whole)  # type: ignore[call-overload]  # JSON objects


def as_it_is(byte: int) -> bool:
    return json.dumps(chr(byte)) == f'"{chr(byte)}"'


def test_nothing_of_a_target_has_to_be_escaped_but_quotes_and_backslashes() -> None:
    passing = NO_TARGET.sub(b"", bytes(range(256)))
    assert [byte for byte in passing if not as_it_is(byte)] == [ord('"'), ord("\\")]


def test_no_byte_of_an_id_that_a_proxy_gave_has_to_be_escaped() -> None:
    for byte in range(256):
        given = b"request-%c" % byte
        head = a_head(lines=[b"X-Request-Id: " + given])
        exchange = Exchange(Connection("10.0.0.9", is_tls=False, port=8080), head, 0.0, OWN_ID)
        exchange.is_from_proxy = True
        RequestId().decide(exchange)
        assert all(map(as_it_is, exchange.request_id))


@given(
    st.builds(
        lambda path, host, agent: a_head(path=path, host=host, lines=[b"User-Agent: " + agent]),
        # What the parser lets pass.
        st.binary(max_size=2000).map(lambda path: NO_TARGET.sub(b"", path)),
        st.none() | st.binary(max_size=300),
        st.binary(max_size=600),
    ),
    st.builds(
        lambda seconds, waited, size: Verdict(
            Ending.ADMITTED, 200, None, "", "", seconds, waited, size, size, is_upgraded=False
        ),
        st.floats(0, 1e6),
        st.floats(0, 1e6),
        st.integers(0, 1 << 50),
    ),
)
def test_whatever_is_sent_a_plain_record_says_the_same(head: RequestHead, verdict: Verdict) -> None:
    plain, whole = both(an_exchange(head), verdict, PlainRecords())
    assert plain == whole


def test_what_is_remembered_of_one_record_is_not_said_of_another() -> None:
    records = PlainRecords()
    heads = [a_head(host=host) for host in (b"a.example", b"b.example", None, b"a.example")]
    exchanges = [
        an_exchange(head, route) for head in heads for route in ("/a/{id}", "/b", "/a/{id}")
    ]
    for number, exchange in enumerate(exchanges):
        exchange.now += number * 0.4
        verdict = admitted(200 + number % 3)
        plain, whole = both(exchange, verdict, records)
        assert plain == whole


def shadowed(exchange: Exchange) -> None:
    exchange.shadow.append(Refuse(RefusalCode.FORBIDDEN, "denied"))


def with_tools(exchange: Exchange) -> None:
    exchange.rpc = Rpc()


def named(exchange: Exchange) -> None:
    actions = (RouteAction("account.created", frozenset({200})),)
    exchange.route = replace(exchange.route, actions=actions)


def odd_method(exchange: Exchange) -> None:
    exchange.head = a_head(b"PROPFIND")


@dataclass(frozen=True, slots=True)
class Left:
    """An exchange that has more to say."""

    change: Change = untouched
    verdict: Verdict = field(default_factory=admitted)


LEFT: Final = {
    "shadow": Left(shadowed),
    "tools": Left(with_tools),
    "a name of the policy's": Left(named),
    "a method of its own": Left(odd_method),
    "a WebSocket": Left(verdict=admitted(101, is_upgraded=True)),
    "a refusal": Left(verdict=refused()),
    "an answer without an upstream's": Left(verdict=replace(admitted(), upstream_seconds=None)),
}


@pytest.mark.parametrize("row", LEFT.values(), ids=LEFT.keys())
def test_what_has_more_to_say_is_left_to_a_whole_record(row: Left) -> None:
    exchange = an_exchange()
    row.change(exchange)
    assert PlainRecords().record(exchange, row.verdict) is None


def test_a_fact_that_no_step_wrote_is_left_to_a_whole_record() -> None:
    exchange = an_exchange()
    behind("tenant")(exchange)
    assert PlainRecords().record(exchange, admitted()) is None


def test_what_could_not_be_read_is_left_to_a_whole_record() -> None:
    assert PlainRecords().record(an_unreadable_exchange(), admitted()) is None


def test_what_is_remembered_of_a_route_keeps_no_policy_alive() -> None:
    records = PlainRecords()
    exchange = an_exchange()
    step = Writes("principal")
    exchange.route = replace(exchange.route, steps=(step,))
    exchange.principal = NOBODY
    assert records.record(exchange, admitted()) is not None
    former = weakref.ref(step)
    del exchange, step
    gc.collect()
    assert former() is None


def test_a_route_is_known_again_and_taken_for_no_other() -> None:
    records = PlainRecords()
    first, second = an_exchange(route="/a"), an_exchange(route="/b")
    named = [
        json.loads((records.record(one, admitted()) or b"") + b"}")["resource_id"]
        for one in (first, second, first)
    ]
    assert named == ["/a", "/b", "/a"]
    assert replace(first.route).mark is not first.route.mark
