"""What a head declares of its body is judged before a byte of it is taken."""

from dataclasses import replace

import pytest

from sidecar.decision.steps.declared_body import DeclaredBody
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import PASS
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_policy, an_exchange, an_unread_exchange, refusal_of

KIB = 1024


def a_step(**body: object) -> DeclaredBody:
    return DeclaredBody(a_policy(body=body).body)


@pytest.mark.control("RQ-1")
@pytest.mark.parametrize(
    ("length", "code"),
    [
        pytest.param(0, None, id="no body"),
        pytest.param(1, None, id="a byte"),
        pytest.param(KIB, None, id="the limit"),
        pytest.param(KIB + 1, RefusalCode.PAYLOAD_TOO_LARGE, id="a byte more"),
        pytest.param(10**17, RefusalCode.PAYLOAD_TOO_LARGE, id="absurd"),
        pytest.param(CHUNKED, None, id="undeclared: streaming is counted"),
    ],
)
def test_a_declared_length_above_the_limit_is_refused(
    length: int, code: RefusalCode | None
) -> None:
    exchange = an_exchange(replace(a_head(b"POST"), length=length))
    assert refusal_of(a_step(max="1KiB").decide(exchange)) is code
    assert exchange.body_limit == KIB


@pytest.mark.control("RQ-1")
def test_the_limit_is_written_whatever_the_head_declares() -> None:
    exchange = an_unread_exchange()
    assert a_step(max="5MB").decide(exchange) is PASS
    assert exchange.body_limit == 5_000_000


@pytest.mark.parametrize(
    ("accepted", "sent", "is_accepted"),
    [
        pytest.param(None, b"application/json", True, id="no list"),
        pytest.param(None, b"", True, id="no list, no type"),
        pytest.param(None, b"application/grpc", False, id="gRPC"),
        pytest.param(None, b"application/grpc+proto", False, id="gRPC with its format"),
        pytest.param(None, b"Application/GRPC; x=y", False, id="gRPC in another case"),
        pytest.param(None, b"application/grpc-web", True, id="gRPC-Web is another protocol"),
        pytest.param(["application/json"], b"application/json", True, id="listed"),
        pytest.param(["application/json"], b"Application/JSON", True, id="in another case"),
        pytest.param(["application/json"], b"application/json;charset=utf-8", True, id="charset"),
        pytest.param(["application/json"], b"application/json \t; a=b", True, id="white space"),
        pytest.param(["application/json"], b"text/plain", False, id="not listed"),
        pytest.param(["application/json"], b"", False, id="no type"),
        pytest.param(["application/json"], b"application/jsonp", False, id="a longer type"),
        pytest.param(["application/json"], b"text/plain;application/json", False, id="a trick"),
        pytest.param(["application/json"], b"application/json, text/plain", False, id="two types"),
        pytest.param(["application/json"], b"application/json\xff", False, id="beyond ASCII"),
        pytest.param(["image/*"], b"image/png", True, id="a family"),
        pytest.param(["image/*"], b"image", False, id="no subtype"),
        pytest.param(["image/*"], b"image/", False, id="an empty subtype"),
        pytest.param(["image/*"], b"image/png, text/html", False, id="two types of a family"),
        pytest.param(["image/*"], b"imagex/png", False, id="another family"),
        pytest.param(["application/*"], b"application/grpc", False, id="gRPC in a family"),
    ],
)
def test_a_content_type_is_accepted_by_its_essence(
    accepted: list[str] | None, sent: bytes, *, is_accepted: bool
) -> None:
    lines = (b"Content-Type: " + sent,) if sent else ()
    head = replace(a_head(b"POST", b"/", *lines), length=5)
    outcome = a_step(content_types=accepted).decide(an_exchange(head))
    assert refusal_of(outcome) is (None if is_accepted else RefusalCode.UNSUPPORTED_MEDIA_TYPE)


def test_a_request_without_a_body_needs_no_content_type() -> None:
    head = a_head(b"GET", b"/", b"Content-Type: text/plain")
    assert a_step(content_types=["application/json"]).decide(an_exchange(head)) is PASS
