"""Cookies of the service are at least what the policy asks for, and otherwise as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision.pipeline import build
from sidecar.decision.steps.cookies import Cookies
from tests.builders import a_policy, an_answer, values_of

pytestmark = pytest.mark.control("RQ-5")

ALL = {"secure": False, "http_only": False, "same_site": "none", "domain": "keep"}
FULL = b"; Secure; HttpOnly; SameSite=Lax"


def completed(*values: bytes, **keys: object) -> list[bytes]:
    """Complete cookies by a section that has these keys."""
    section = a_policy(cookies=keys).cookies
    assert section is not None
    step = Cookies(section)
    exchange = an_answer(*(b"Set-Cookie: " + value for value in values))
    step.apply(exchange)
    return [line.removeprefix(b"Set-Cookie: ") for line in exchange.response_lines]


def alone(value: bytes, **keys: object) -> bytes:
    """Complete a cookie by these keys alone."""
    return completed(value, **{**ALL, **keys})[0]


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"sid=1", b"sid=1" + FULL),
        (b"sid=1; Path=/", b"sid=1; Path=/" + FULL),
        (b"sid=1; Secure; HttpOnly; SameSite=Lax", b"sid=1; Secure; HttpOnly; SameSite=Lax"),
        (b"sid=1;secure;HTTPONLY;samesite=STRICT", b"sid=1;secure;HTTPONLY;samesite=STRICT"),
        (b"sid=1; Secure", b"sid=1; Secure; HttpOnly; SameSite=Lax"),
        (b"sid=1; HttpOnly", b"sid=1; HttpOnly; Secure; SameSite=Lax"),
        (b"sid=1; SameSite=None; Secure", b"sid=1; Secure; HttpOnly; SameSite=Lax"),
        (
            b"a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=9",
            b"a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=9" + FULL,
        ),
        (b'a="b, c"', b'a="b, c"' + FULL),
        (b"", b"" + FULL),
        (b"=v", b"=v" + FULL),
        (b"v", b"v" + FULL),
        (b"Secure", b"Secure" + FULL),
        (b"sid=1;", b"sid=1;" + FULL),
        (b"sid=1; Partitioned; Priority=High", b"sid=1; Partitioned; Priority=High" + FULL),
        (b"sid=\xe9", b"sid=\xe9" + FULL),
    ],
)
def test_a_cookie_gets_what_it_lacks(sent: bytes, got: bytes) -> None:
    assert completed(sent) == [got]


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        pytest.param(b'a="x; Secure"', b'a="x; Secure"; Secure', id="quotes hide nothing"),
        pytest.param(b"a=x Secure", b"a=x Secure; Secure", id="inside the value"),
        pytest.param(b"Secure=1", b"Secure=1; Secure", id="the cookie's own name"),
        pytest.param(b"a=1; Secured", b"a=1; Secured; Secure", id="a longer word"),
        pytest.param(b"a=1; XSecure", b"a=1; XSecure; Secure", id="a word before"),
        pytest.param(b"a=1; Secure=false", b"a=1; Secure=false; Secure", id="with a value"),
        pytest.param(b"a=1; Path=Secure", b"a=1; Path=Secure; Secure", id="another's value"),
        pytest.param(b"a=1, Secure", b"a=1, Secure; Secure", id="behind a comma"),
        pytest.param(b"a=1;\tSecure ", b"a=1;\tSecure ", id="blanks around"),
        pytest.param(b"a=1; ; Secure", b"a=1; ; Secure", id="an empty one before"),
    ],
)
def test_secure_is_there_when_a_browser_says_so(sent: bytes, got: bytes) -> None:
    assert alone(sent, secure=True) == got


@pytest.mark.parametrize(
    ("least", "sent", "got"),
    [
        ("lax", b"a=1", b"a=1; SameSite=Lax"),
        ("strict", b"a=1", b"a=1; SameSite=Strict"),
        ("none", b"a=1", b"a=1"),
        ("none", b"a=1; SameSite=Strict", b"a=1; SameSite=Strict"),
        ("lax", b"a=1; SameSite=Strict", b"a=1; SameSite=Strict"),
        ("strict", b"a=1; SameSite=Lax; Path=/", b"a=1; Path=/; SameSite=Strict"),
        ("lax", b"a=1; SameSite=None", b"a=1; SameSite=Lax"),
        ("lax", b"a=1; SameSite", b"a=1; SameSite=Lax"),
        ("lax", b"a=1; SameSite=", b"a=1; SameSite=Lax"),
        ("lax", b"a=1; SameSite=Maybe", b"a=1; SameSite=Lax"),
        ("lax", b'a=1; SameSite="Strict"', b"a=1; SameSite=Lax"),
        ("lax", b"a=1; SameSite = lax", b"a=1; SameSite = lax"),
        ("lax", b"a=1; SameSite=Strict; SameSite=None", b"a=1; SameSite=Strict"),
        ("lax", b"a=1; SameSite=None; SameSite=Lax", b"a=1; SameSite=Lax"),
        ("strict", b"a=1; SameSite=Lax; SameSite=Lax", b"a=1; SameSite=Strict"),
    ],
)
def test_same_site_is_never_weaker_than_the_policy_nor_than_it_was(
    least: str, sent: bytes, got: bytes
) -> None:
    assert alone(sent, same_site=least) == got


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"a=1; Domain=example.com; Path=/", b"a=1; Path=/"),
        (b"a=1; domain=.example.com", b"a=1"),
        (b"a=1;DOMAIN = shop.example", b"a=1"),
        (b"a=1; Domain", b"a=1"),
        (b"a=1; Domain=a.example; Domain=example", b"a=1"),
        (b"a=1; Domain=com", b"a=1"),
        (b"Domain=example; Path=/", b"Domain=example; Path=/"),
        (b"a=Domain=example; Path=/Domain=x", b"a=Domain=example; Path=/Domain=x"),
    ],
)
def test_a_cookie_is_for_its_host_alone(sent: bytes, got: bytes) -> None:
    assert alone(sent, domain="drop") == got


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"__Host-sid=1; Path=/", b"__Host-sid=1; Path=/; Secure"),
        (b"__host-sid=1; Path=/; Domain=example", b"__host-sid=1; Path=/; Secure"),
        (b"__Secure-sid=1; Domain=a.example", b"__Secure-sid=1; Domain=a.example; Secure"),
        (b"__SECURE-sid=1; Secure", b"__SECURE-sid=1; Secure"),
        (b"__Hosting=1", b"__Hosting=1; HttpOnly"),
        (b"__Http-sid=1; Domain=example", b"__Http-sid=1; Domain=example; Secure; HttpOnly"),
        (b"__HTTP-sid=1; HttpOnly; Secure", b"__HTTP-sid=1; HttpOnly; Secure"),
        (
            b"__Host-Http-sid=1; Path=/; Domain=example",
            b"__Host-Http-sid=1; Path=/; Secure; HttpOnly",
        ),
        (b"__Secure-Http-sid=1", b"__Secure-Http-sid=1; Secure"),
    ],
)
def test_what_a_prefix_promises_is_kept_whatever_the_policy_says(sent: bytes, got: bytes) -> None:
    assert alone(sent, http_only=sent.startswith(b"__Hosting")) == got


def test_every_cookie_stays_a_line_of_its_own() -> None:
    assert completed(b"a=1", b"b=2; Secure") == [
        b"a=1; Secure; HttpOnly; SameSite=Lax",
        b"b=2; Secure; HttpOnly; SameSite=Lax",
    ]


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"csrftoken=1", b"csrftoken=1; Secure; SameSite=Lax"),
        (b" csrftoken =1", b" csrftoken =1; Secure; SameSite=Lax"),
        (b"CSRFTOKEN=1", b"CSRFTOKEN=1" + FULL),
        (b"csrftoken", b"csrftoken" + FULL),
        (b"embed=1; SameSite=None", b"embed=1; SameSite=None; Secure; HttpOnly"),
        (b"sso=1; Domain=example", b"sso=1; Domain=example" + FULL),
    ],
)
def test_a_cookie_may_be_an_exception_by_its_name(sent: bytes, got: bytes) -> None:
    exceptions = {
        "csrftoken": {"http_only": False},
        "embed": {"same_site": "none"},
        "sso": {"domain": "keep"},
    }
    assert completed(sent, exceptions=exceptions) == [got]


def test_other_fields_are_left_alone() -> None:
    step = Cookies.compile(a_policy(cookies={}).cookies)
    assert step is not None
    lines = [b"Set-Cookie2: a=1", b"X-Set-Cookie: a=1", b"set-cookie:b=1", b"Content-Length: 2"]
    exchange = an_answer(*lines)
    step.apply(exchange)
    assert exchange.response_lines == [*lines[:2], b"set-cookie:b=1" + FULL, lines[3]]


@given(st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")))
def test_a_cookie_is_completed_once(value: bytes) -> None:
    once = completed(value)
    assert completed(*once) == once


def test_where_nothing_is_asked_there_is_no_step() -> None:
    assert Cookies.compile(None) is None
    assert Cookies.compile(a_policy(cookies=ALL).cookies) is None


def test_a_route_s_keys_go_over_the_policy_s() -> None:
    policy = a_policy(
        {"path": "/a", "cookies": {"same_site": "strict"}},
        {"path": "/b", "cookies": ALL},
        cookies={"http_only": False},
    )
    strict, untouched = build(policy).plans
    exchange = an_answer(b"Set-Cookie: a=1")
    for step in strict.response:
        step.apply(exchange)
    [cookie] = values_of(exchange.response_lines, b"set-cookie")
    assert cookie == b"a=1; Secure; SameSite=Strict"
    assert "cookies" not in {step.name for step in untouched.response}
