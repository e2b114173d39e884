"""Which origins a list allows: nothing that is not in it, whatever it looks like."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.origins import (
    Origins,
    asked_fields,
    asked_method,
    is_plausible,
    needs_leave,
)
from sidecar.policy.schema.origins import parse_origin
from tests.builders import a_head

pytestmark = pytest.mark.control("RS-4")

LISTED = (
    "https://app.example", "https://shop.example:8443", "http://localhost:3000",
    "https://*.preview.example", "http://*.lan.example:8080", "https://xn--bcher-kva.example",
)  # fmt: skip
LIST = Origins(LISTED)


@pytest.mark.parametrize(
    "origin",
    [
        b"https://app.example", b"https://shop.example:8443", b"http://localhost:3000",
        b"https://a.preview.example", b"https://pr-7.preview.example",
        b"https://_a.preview.example", b"https://0.preview.example",
        b"https://" + b"a" * 63 + b".preview.example", b"http://a.lan.example:8080",
        b"https://xn--bcher-kva.example", b"https://xn--bcher-kva.preview.example",
    ],
)  # fmt: skip
def test_what_is_listed_is_allowed(origin: bytes) -> None:
    assert LIST.allow(origin)
    assert is_plausible(origin)


@pytest.mark.parametrize(
    "origin",
    [
        b"", b"null", b"*", b"https://*.preview.example", b"https://preview.example",
        b"https://.preview.example", b"https://a.b.preview.example", b"https://a..preview.example",
        b"https://-a.preview.example", b"https://a-.preview.example", b"https://A.preview.example",
        b"https://" + b"a" * 64 + b".preview.example", b"https://a.preview.example:443",
        b"https://a.preview.example.", b"https://a.preview.example/", b"http://a.preview.example",
        b"https://a.preview.example.evil.example", b"https://a/.preview.example",
        b"https://a?.preview.example", b"https://a#.preview.example", b"https://a@.preview.example",
        b"https://a:1.preview.example", b"https://a\\.preview.example",
        b"https://a%.preview.example", b"https://a b.preview.example",
        b"https://\xd0\xb0.preview.example", b"https://a\n.preview.example",
        b"https://a.preview.example\n", b"https://a.preview.example\x00",
        b"https://apreview.example", b"https://app.example.evil.example",
        b"https://evilapp.example", b"https://app.example@evil", b"https://app.example:443",
        b"https://app.example.", b"https://app.example/", b"app.example", b"HTTPS://app.example",
        b"https://App.example", b"https:///app.example", b"https:app.example", b"//app.example",
        b"http://app.example", b"https://app.example, https://app.example", b"http://localhost",
        b"http://localhost:3001", b"http://a.lan.example", b"https://b\xc3\xbccher.example",
    ],
)  # fmt: skip
def test_what_only_looks_listed_is_not(origin: bytes) -> None:
    assert not LIST.allow(origin)


@pytest.mark.parametrize("word", ["null", "*", "", "app.example"])
def test_a_list_that_nobody_checked_allows_no_word(word: str) -> None:
    assert not Origins([word, "https://app.example"]).allow(word.encode())


LABELS = st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PIECES = st.sampled_from(
    ["https://", "http://", "*", ".", ":443", ":8443", "/", "@", "null", "app", "example", "evil",
     "preview", ".preview.example", "%", "\\", " ", ",", "\t", "A", "xn--", "[::1]", "#", "?", "-"]
)  # fmt: skip
SENT = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(LISTED).map(str.encode),
    st.lists(PIECES, max_size=7).map("".join).map(str.encode),
    st.builds(lambda one, more: (one + more).encode(), st.sampled_from(LISTED), PIECES),
    st.builds(lambda more, one: (more + one).encode(), PIECES, st.sampled_from(LISTED)),
    st.builds(lambda label: f"https://{label}.preview.example".encode(), HOSTS),
)


@given(SENT)
def test_nothing_is_allowed_that_does_not_follow_from_the_list(origin: bytes) -> None:
    follows = origin.decode("latin-1") in LISTED and b"*" not in origin
    for pattern in LISTED:
        before, star, behind = pattern.partition("*")
        text = origin.decode("latin-1")
        label = text.removeprefix(before).removesuffix(behind)
        if star and text == before + label + behind:
            is_label = 0 < len(label) < 64 and label.isascii() and label == label.lower()
            is_label = is_label and all(c.isalnum() or c in "-_" for c in label)
            follows = follows or (is_label and label[0] != "-" and label[-1] != "-")
    assert LIST.allow(origin) == follows


@given(st.sampled_from(["https", "http"]), HOSTS, st.integers(1, 65535))
def test_what_the_policy_takes_it_allows_as_it_is_sent(scheme: str, host: str, port: int) -> None:
    try:
        sent = parse_origin(f"{scheme}://{host}:{port}")
    except ValueError:
        return
    assert Origins([sent]).allow(sent.encode())
    assert is_plausible(sent.encode())
    assert not Origins([sent]).allow(sent.encode() + b".")


@pytest.mark.parametrize(
    "origin",
    [b"", b"null", b"*", b"ftp://a", b"https://", b"https://A", b"https://a/", b"https://a@b",
     b"https://a\n", b"https://" + b"a" * 300],
)  # fmt: skip
def test_what_can_be_no_origin_is_not_looked_up(origin: bytes) -> None:
    assert not is_plausible(origin)


ORIGIN = b"Origin: https://app.example"
ASKS = b"Access-Control-Request-Method: "


@pytest.mark.parametrize(
    ("method", "lines", "expected"),
    [
        (b"OPTIONS", [ORIGIN, ASKS + b"PUT"], b"PUT"),
        (b"OPTIONS", [ORIGIN, ASKS + b"M-SEARCH"], b"M-SEARCH"),
        (b"OPTIONS", [b"Origin:", ASKS + b"PUT"], b"PUT"),
        (b"OPTIONS", [ORIGIN], None),
        (b"OPTIONS", [ASKS + b"PUT"], None),
        (b"GET", [ORIGIN, ASKS + b"PUT"], None),
        (b"OPTIONS", [ORIGIN, ASKS], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"put"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"PUT, GET"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"PUT", ASKS + b"PUT"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"CONNECT"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"TRACE"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"TRACK"], b""),
        (b"OPTIONS", [ORIGIN, ASKS + b"A" * 33], b""),
    ],
)
def test_a_preflight_asks_for_one_method(
    method: bytes, lines: list[bytes], expected: bytes | None
) -> None:
    assert asked_method(a_head(method, b"/", *lines)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([b""], []),
        ([b"x-a"], [b"x-a"]),
        ([b"X-A , x-b,"], [b"x-a", b"x-b"]),
        ([b"x-a", b"x-b"], [b"x-a", b"x-b"]),
        ([b"*"], [b"*"]),
        ([b"x a"], None),
        ([b"x-\xc3\xa9"], None),
        ([b"a:b"], None),
        ([b"a" * 129], None),
        ([b",".join([b"a"] * 100)], [b"a"] * 100),
        ([b",".join([b"a"] * 101)], None),
    ],
)
def test_a_preflight_asks_for_fields(values: list[bytes], expected: list[bytes] | None) -> None:
    lines = [b"Access-Control-Request-Headers: " + value for value in values]
    assert asked_fields(a_head(b"OPTIONS", b"/", *lines)) == expected


@pytest.mark.parametrize(
    ("method", "kinds", "expected"),
    [
        (b"GET", [], False),
        (b"HEAD", [], False),
        (b"GET", [b"application/json"], False),
        (b"PUT", [], True),
        (b"OPTIONS", [], True),
        (b"POST", [], False),
        (b"POST", [b"text/plain"], False),
        (b"POST", [b"Text/Plain;charset=utf-8"], False),
        (b"POST", [b"multipart/form-data; boundary=x"], False),
        (b"POST", [b"application/x-www-form-urlencoded"], False),
        (b"POST", [b"application/json"], True),
        (b"POST", [b""], True),
        (b"POST", [b"text/plain, application/json"], True),
        (b"POST", [b"text/plain", b"text/plain"], True),
    ],
)
def test_what_any_page_can_send_needs_no_leave(
    method: bytes, kinds: list[bytes], *, expected: bool
) -> None:
    head = a_head(method, b"/", *(b"Content-Type: " + kind for kind in kinds))
    assert needs_leave(head) is expected
    assert needs_leave(replace(head, is_websocket=True))
