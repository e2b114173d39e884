"""What the sidecar answers itself: security.txt, and paths that are not there."""

import pytest

from sidecar.decision.steps.well_known import WellKnown
from sidecar.model.outcome import PASS, Respond
from sidecar.policy.schema.well_known import NOISE
from tests.builders import a_head, a_policy, an_exchange

SECURITY = {"contact": "mailto:security@example.com", "expires": "2027-06-30T00:00:00Z"}
WHOLE = {
    "contact": ["mailto:security@example.com", "https://example.com/report"],
    "expires": "2027-06-30t02:00:00+02:00",
    "encryption": "https://example.com/security.asc",
    "acknowledgments": ["https://example.com/thanks"],
    "preferred_languages": ["en", "pt-BR"],
    "canonical": "https://example.com/.well-known/security.txt",
    "policy": "https://example.com/disclosure",
    "hiring": "https://example.com/jobs",
}
TEXT = b"""Contact: mailto:security@example.com\r
Contact: https://example.com/report\r
Expires: 2027-06-30T02:00:00+02:00\r
Encryption: https://example.com/security.asc\r
Acknowledgments: https://example.com/thanks\r
Canonical: https://example.com/.well-known/security.txt\r
Policy: https://example.com/disclosure\r
Hiring: https://example.com/jobs\r
Preferred-Languages: en, pt-BR\r
"""


def asked(step: WellKnown, path: str, method: bytes = b"GET") -> object:
    exchange = an_exchange(a_head(method, path.encode()))
    exchange.segments = tuple(path[1:].split("/"))
    return step.decide(exchange)


def a_step(**sections: object) -> WellKnown:
    step = WellKnown.compile(a_policy({"path": "/**", "public": True}, **sections))
    assert step is not None
    return step


@pytest.mark.control("RT-3")
def test_security_txt_says_all_that_the_policy_says() -> None:
    answer = asked(a_step(security_txt=WHOLE), "/.well-known/security.txt")
    assert isinstance(answer, Respond)
    assert (answer.status, answer.body) == (200, TEXT)
    assert b"Content-Type: text/plain; charset=utf-8" in answer.lines


@pytest.mark.control("RT-3")
def test_other_paths_and_methods_are_the_services() -> None:
    step = a_step(security_txt=SECURITY)
    assert isinstance(asked(step, "/.well-known/security.txt", b"HEAD"), Respond)
    for path in ("/security.txt", "/.well-known", "/.well-known/security.txt/", "/favicon.ico"):
        assert asked(step, path) is PASS
    for method in (b"POST", b"OPTIONS", b"DELETE"):
        assert asked(step, "/.well-known/security.txt", method) is PASS


def test_what_is_absent_is_not_found_and_browsers_remember_it() -> None:
    step = a_step(absent={})
    for path in NOISE:
        answer = asked(step, path)
        assert isinstance(answer, Respond)
        assert (answer.status, answer.body) == (404, b"")
        assert answer.lines == (b"Cache-Control: public, max-age=86400",)
    assert asked(step, "/favicon.ico/x") is PASS
    own = a_step(absent={"paths": ["/wp-login.php"], "max_age": "1h"})
    assert isinstance(asked(own, "/wp-login.php"), Respond)
    assert asked(own, "/favicon.ico") is PASS


def test_a_policy_that_answers_nothing_has_no_such_step() -> None:
    assert WellKnown.compile(a_policy({"path": "/", "public": True})) is None


def test_a_moment_is_known_in_seconds() -> None:
    policy = a_policy({"path": "/", "public": True}, security_txt=WHOLE)
    assert policy.security_txt is not None
    assert policy.security_txt.expires_at == 1_814_313_600
