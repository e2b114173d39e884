"""One reading of the path: what has two is refused, what passes means the same to everybody."""

import posixpath
from dataclasses import replace
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.decision.steps.path import EncodedSlash, Path
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_route, an_exchange, an_unread_exchange, refusal_of

pytestmark = pytest.mark.control("RQ-4")


def read(path: bytes) -> tuple[Exchange, Outcome]:
    """Run the step on a path, whatever bytes it holds."""
    exchange = an_exchange(replace(a_head(), path=path, target=path))
    return exchange, Path().decide(exchange)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"/../etc/passwd", id="a dot segment at the start"),
        pytest.param(b"/a/../b", id="a dot segment inside"),
        pytest.param(b"/a/..", id="a dot segment at the end"),
        pytest.param(b"/a/../", id="a dot segment before a slash"),
        pytest.param(b"/a/./b", id="a single dot"),
        pytest.param(b"/.", id="nothing but a dot"),
        pytest.param(b"/..", id="nothing but two dots"),
        pytest.param(b"/%2e%2e/b", id="dots encoded"),
        pytest.param(b"/%2E%2e/b", id="dots encoded in either case"),
        pytest.param(b"/.%2e/b", id="one dot encoded"),
        pytest.param(b"/%2e/b", id="a single dot encoded"),
        pytest.param(b"/a%2f..%2fb", id="dots between encoded slashes"),
        pytest.param(b"/a%2F..", id="dots behind an encoded slash"),
        pytest.param(b"/..%2Fb", id="dots before an encoded slash"),
        pytest.param(b"/%252e%252e/b", id="dots encoded twice"),
        pytest.param(b"/%25252e/b", id="a dot encoded three times"),
        pytest.param(b"/%2525252525252e/b", id="a dot encoded many times"),
        pytest.param(b"/a%252fb", id="a slash encoded twice"),
        pytest.param(b"/a%252Fb", id="a slash encoded twice, in capitals"),
        pytest.param(b"/a%255cb", id="a backslash encoded twice"),
        pytest.param(b"/a%253Bb", id="a semicolon encoded twice"),
        pytest.param(b"/a%2500", id="NUL encoded twice"),
        pytest.param(b"/a%250d%250ab", id="CR and LF encoded twice"),
        pytest.param(b"/a%257f", id="DEL encoded twice"),
        pytest.param(b"/a\\b", id="a backslash"),
        pytest.param(b"/a%5cb", id="a backslash encoded"),
        pytest.param(b"/..\\b", id="dots before a backslash"),
        pytest.param(b"/..%5cb", id="dots before a backslash encoded"),
        pytest.param(b"//a", id="two slashes at the start"),
        pytest.param(b"//", id="two slashes alone"),
        pytest.param(b"/a//b", id="two slashes inside"),
        pytest.param(b"/a//", id="two slashes at the end"),
        pytest.param(b"///", id="three slashes"),
        pytest.param(b"/a%2f%2fb", id="two encoded slashes"),
        pytest.param(b"/a/%2fb", id="an encoded slash behind a slash"),
        pytest.param(b"/a%2f/b", id="an encoded slash before a slash"),
        pytest.param(b"/%2f", id="an encoded slash alone"),
        pytest.param(b"/a;b=c", id="a path parameter"),
        pytest.param(b"/a;/b", id="an empty path parameter"),
        pytest.param(b"/..;/b", id="dots with a parameter, as Tomcat strips it"),
        pytest.param(b"/a;jsessionid=1", id="a session in the path"),
        pytest.param(b"/a%3bb", id="a semicolon encoded"),
        pytest.param(b"/a%00", id="NUL"),
        pytest.param(b"/a%00.png", id="NUL before a suffix"),
        pytest.param(b"/a%0a", id="LF"),
        pytest.param(b"/a%0d%0aX-Evil:1", id="a header in the path"),
        pytest.param(b"/a%7f", id="DEL"),
        pytest.param(b"/a%c2%85", id="NEL, a control of C1"),
        pytest.param(b"/a%c0%af", id="a slash in overlong UTF-8"),
        pytest.param(b"/%c0%ae%c0%ae/b", id="dots in overlong UTF-8"),
        pytest.param(b"/a%e0%80%af", id="a slash in three bytes"),
        pytest.param(b"/a%ed%a0%80", id="half of a surrogate pair"),
        pytest.param(b"/a%ff", id="a byte that is no UTF-8"),
        pytest.param(b"/caf%e9", id="Latin-1"),
        pytest.param(b"/a%", id="a percent sign at the end"),
        pytest.param(b"/a%2", id="half an escape"),
        pytest.param(b"/a%zz", id="an escape that is not hexadecimal"),
        pytest.param(b"/a%u002e", id="the escape of IIS"),
        pytest.param(b"/a%%32e", id="an escape inside an escape"),
        pytest.param(b"/100%", id="a percent sign of its own"),
        pytest.param(b'/a"b', id="a quote"),
        pytest.param(b"/a<b>", id="angle brackets"),
        pytest.param(b"/a^b", id="a caret"),
        pytest.param(b"/a`b", id="a backtick"),
        pytest.param(b"/{a}", id="braces"),
    ],
)
def test_a_path_with_two_readings_is_refused(path: bytes) -> None:
    _, outcome = read(path)
    assert refusal_of(outcome) is RefusalCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        pytest.param(b"/", (), id="the root"),
        pytest.param(b"/a", ("a",), id="one segment"),
        pytest.param(b"/a/", ("a",), id="a slash at the end"),
        pytest.param(b"/a/b/c", ("a", "b", "c"), id="three segments"),
        pytest.param(b"/.well-known/x", (".well-known", "x"), id="a hidden name"),
        pytest.param(b"/...", ("...",), id="three dots are a name"),
        pytest.param(b"/..a/a..", ("..a", "a.."), id="dots beside a letter"),
        pytest.param(b"/a.b.c", ("a.b.c",), id="dots inside"),
        pytest.param(b"/%41", ("A",), id="a letter encoded"),
        pytest.param(b"/a%20b", ("a b",), id="a blank"),
        pytest.param(b"/caf%C3%A9", ("café",), id="UTF-8"),
        pytest.param(b"/%F0%9F%98%80", ("😀",), id="UTF-8 of four bytes"),
        pytest.param(b"/%e2%80%ae", ("\u202e",), id="a mark of direction"),
        pytest.param(b"/a%3Fb", ("a?b",), id="a question mark in a name"),
        pytest.param(b"/a%23b", ("a#b",), id="a hash in a name"),
        pytest.param(b"/100%25", ("100%",), id="a percent sign encoded"),
        pytest.param(b"/a%2520b", ("a%20b",), id="a blank encoded twice"),
        pytest.param(b"/a%252", ("a%2",), id="half an escape encoded"),
        pytest.param(b"/a+b", ("a+b",), id="a plus is a plus"),
        pytest.param(b"/~u/a:b@c,d=e&f", ("~u", "a:b@c,d=e&f"), id="what may stand unescaped"),
        pytest.param(b"/(a)!*'$", ("(a)!*'$",), id="the rest of what may"),
        pytest.param(b"/a|b[c]", ("a|b[c]",), id="what browsers send unescaped"),
        pytest.param(b"/%22%3C%7B%60%5E", ('"<{`^',), id="what has to be escaped, escaped"),
        pytest.param(b"/-/_", ("-", "_"), id="signs alone"),
        pytest.param(b"*", ("*",), id="the whole server"),
        pytest.param(b"/a%2Fb", ("a/b",), id="an encoded slash"),
        pytest.param(b"/a%2f.b", ("a/.b",), id="a hidden name behind an encoded slash"),
    ],
)
def test_a_path_with_one_reading_is_split_and_decoded(
    path: bytes, segments: tuple[str, ...]
) -> None:
    exchange, outcome = read(path)
    assert outcome is PASS
    assert exchange.segments == segments
    assert exchange.has_encoded_slash is any("/" in segment for segment in segments)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"/.sidecar", id="the room itself"),
        pytest.param(b"/.sidecar/login", id="inside"),
        pytest.param(b"/.SideCar/login", id="in another case"),
        pytest.param(b"/%2esidecar", id="the dot encoded"),
        pytest.param(b"/.%73idecar", id="a letter encoded"),
        pytest.param(b"/.sidecar%2Flogin", id="with an encoded slash"),
    ],
)
def test_no_route_can_have_the_path_of_the_sidecar(path: bytes) -> None:
    _, outcome = read(path)
    assert refusal_of(outcome) is RefusalCode.NOT_FOUND


@pytest.mark.parametrize("path", [b"/.sidecars", b"/a/.sidecar", b"/sidecar"])
def test_what_only_looks_like_it_is_the_service_s(path: bytes) -> None:
    _, outcome = read(path)
    assert outcome is PASS


def test_an_unread_head_has_the_root() -> None:
    exchange = an_unread_exchange()
    assert Path().decide(exchange) is PASS
    assert (exchange.segments, exchange.has_encoded_slash) == ((), False)


def test_an_encoded_slash_is_refused_unless_the_route_allows_it() -> None:
    exchange, _ = read(b"/a%2Fb")
    step = EncodedSlash.compile(a_route())
    assert step is not None
    assert refusal_of(step.decide(exchange)) is RefusalCode.BAD_REQUEST
    assert EncodedSlash.compile(a_route(allow_encoded_slash=True)) is None


def test_a_path_without_one_passes_the_same_step() -> None:
    exchange, _ = read(b"/a/b")
    step = EncodedSlash.compile(None)
    assert step is not None
    assert step.decide(exchange) is PASS


_PIECES = st.sampled_from(
    (
        *(bytes((byte,)) for byte in b"/./.%aA2eEfF5cC0;\\+~\x00\xff"),
        b"%2e", b"%2F", b"%25", b"%5C", b"%C3%A9", b"..", b"//", b"%00", b"%",
    )
)  # fmt: skip
_PATHS = (st.lists(_PIECES, max_size=12).map(b"".join) | st.binary(max_size=20)).map(
    lambda rest: b"/" + rest
)


@given(_PATHS)
@example(b"/a%252")
@example(b"/%25%32e")
def test_what_passes_says_the_same_to_a_second_reader(path: bytes) -> None:
    exchange, outcome = read(path)
    if outcome is not PASS:
        return
    # The second reader resolves first and decodes then, as many services do.
    resolved = posixpath.normpath(path)
    names = [unquote_to_bytes(name) for name in resolved.split(b"/")[1:] if name]
    assert tuple(name.decode() for name in names) == exchange.segments
    # A third decodes first and resolves then.
    decoded = unquote_to_bytes(path)
    assert posixpath.normpath(decoded).rstrip(b"/") == decoded.rstrip(b"/")
    # A fourth decodes once more, and still nothing climbs.
    assert not {b".", b".."} & set(unquote_to_bytes(decoded).replace(b"\\", b"/").split(b"/"))


@given(_PATHS)
def test_normalising_twice_is_normalising_once(path: bytes) -> None:
    exchange, outcome = read(path)
    if outcome is not PASS:
        return
    again, outcome = read(b"/" + b"/".join(quote(s, safe="").encode() for s in exchange.segments))
    assert outcome is PASS
    assert again.segments == exchange.segments
    assert again.has_encoded_slash == exchange.has_encoded_slash


@given(st.binary(max_size=40))
def test_no_path_raises(path: bytes) -> None:
    exchange, outcome = read(path)
    assert outcome is PASS or refusal_of(outcome) is not None
    assert outcome is not PASS or isinstance(exchange.segments, tuple)
