"""Whose word counts for the id of a request."""

import pytest

from sidecar.decision.steps.request_id import RequestId, ShowRequestId
from sidecar.model.outcome import PASS
from tests.builders import OWN_ID, a_head, an_answer, an_exchange, an_unread_exchange

GIVEN = b"01890c24-905b-7122-b170-b60814e6ee06"


@pytest.mark.parametrize(
    ("is_from_proxy", "lines", "expected"),
    [
        pytest.param(True, [], OWN_ID, id="nobody gave one"),
        pytest.param(True, [b"X-Request-Id: " + GIVEN], GIVEN, id="a trusted proxy's"),
        pytest.param(True, [b"x-request-id:" + GIVEN], GIVEN, id="in another case"),
        pytest.param(False, [b"X-Request-Id: " + GIVEN], OWN_ID, id="a stranger's"),
        pytest.param(True, [b"X-Request-Id: " + GIVEN] * 2, OWN_ID, id="twice the same"),
        pytest.param(True, [b"X-Request-Id: a-short"], OWN_ID, id="under eight characters"),
        pytest.param(True, [b"X-Request-Id: " + b"a" * 128], b"a" * 128, id="the longest"),
        pytest.param(True, [b"X-Request-Id: " + b"a" * 129], OWN_ID, id="too long"),
        pytest.param(True, [b"X-Request-Id: <script>x"], OWN_ID, id="markup"),
        pytest.param(True, [b'X-Request-Id: a","b":"c'], OWN_ID, id="a log's quotes"),
        pytest.param(True, [b"X-Request-Id: some id here"], OWN_ID, id="blanks"),
        pytest.param(True, [b"X_Request_Id: " + GIVEN], OWN_ID, id="another name"),
    ],
)
def test_only_a_trusted_proxy_may_give_one_well_formed_id(
    lines: list[bytes], expected: bytes, *, is_from_proxy: bool
) -> None:
    exchange = an_exchange(a_head(b"GET", b"/", *lines))
    exchange.is_from_proxy = is_from_proxy
    assert RequestId().decide(exchange) is PASS
    assert exchange.request_id == expected


def test_an_unread_head_has_our_own_id() -> None:
    exchange = an_unread_exchange()
    exchange.is_from_proxy = True
    assert RequestId().decide(exchange) is PASS
    assert exchange.request_id == OWN_ID


def test_every_answer_shows_the_id() -> None:
    exchange = an_answer(b"Content-Type: text/plain")
    exchange.request_id = GIVEN
    ShowRequestId().apply(exchange)
    assert exchange.response_lines == [
        b"Content-Type: text/plain",
        b"X-Request-Id: " + GIVEN,
    ]


def test_an_answer_to_an_unread_head_shows_our_own_id() -> None:
    exchange = an_unread_exchange()
    ShowRequestId().apply(exchange)
    assert exchange.response_lines == [b"X-Request-Id: " + OWN_ID]
