"""One request as it comes in: heads, bodies that are skipped, a pace that pauses of ours spare."""

import pytest

from sidecar.fronts.proxy.intake import Intake, take_head
from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.model.errors import ProtocolError
from sidecar.model.message import CHUNKED

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def parser() -> RequestHeadParser:
    return RequestHeadParser(HeadLimits(100, 1000, 10), new_request_lines(), new_hosts())


def test_a_head_is_taken_and_what_follows_it_is_left(parser: RequestHeadParser) -> None:
    head, rest = take_head(parser, GET + b"next")
    assert head is not None
    assert (head.path, rest) == (b"/", b"next")


@pytest.mark.parametrize("data", [GET[:-1], b"G", b"\r", b"\r\n", b"\r\nGET"])
def test_a_head_that_has_not_ended_is_waited_for(parser: RequestHeadParser, data: bytes) -> None:
    head, rest = take_head(parser, data)
    assert head is None
    assert rest == data.removeprefix(b"\r\n") or data == b"\r\n"


def test_one_empty_line_may_come_first_and_no_second(parser: RequestHeadParser) -> None:
    head, rest = take_head(parser, b"\r\n" + GET)
    assert head is not None
    assert rest == b""
    for data in (b"\r\n\r\n" + GET, b"\r\n\r", b"\r\r\n"):
        with pytest.raises(ProtocolError):
            take_head(parser, data)


@pytest.mark.parametrize(
    ("length", "at_hand", "rest"),
    [
        pytest.param(3, b"abcGET", b"GET", id="all of it"),
        pytest.param(3, b"ab", None, id="not all of it"),
        pytest.param(CHUNKED, b"0\r\n\r\n", None, id="of no declared size"),
        pytest.param(0, b"GET", b"GET", id="none"),
    ],
)
def test_a_body_is_skipped_only_when_its_end_is_at_hand(
    length: int, at_hand: bytes, rest: bytes | None
) -> None:
    assert Intake(length, 0.0).skip(at_hand) == rest


def test_the_pace_counts_the_clients_time_and_no_pause_of_ours() -> None:
    intake = Intake(1000, 100.0)
    intake.feed(b"x" * 50)
    assert intake.patience(now=110.0, silence=10.0, rate=10) == 5.0
    intake.resume(now=110.0, pause=8.0)
    assert intake.patience(now=110.0, silence=10.0, rate=10) == 10.0
    assert intake.patience(now=200.0, silence=10.0, rate=10) == 0.0
    assert intake.patience(now=200.0, silence=10.0, rate=0) == 10.0
