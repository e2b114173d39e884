"""Where a request goes and under which target: byte by byte as received, less the prefix."""

from dataclasses import replace

import pytest

from sidecar.decision.steps.upstream import Upstream, target_of
from sidecar.model.outcome import PASS
from sidecar.model.route import UpstreamTls
from sidecar.policy.schema.upstream import Upstream as Section
from tests.builders import a_head, a_target, an_exchange, an_unread_exchange


def target_seen(target: bytes, strip_prefix: str | None = None, path: bytes | None = None) -> bytes:
    """Run the step on a target; an absolute one comes with its path."""
    head = a_head(b"GET", target)
    exchange = an_exchange(head if path is None else replace(head, path=path, query=None))
    upstream = a_target()
    assert Upstream(upstream, strip_prefix).decide(exchange) is PASS
    assert exchange.target is upstream
    return exchange.upstream_path


@pytest.mark.parametrize(
    "target",
    [
        b"/", b"/a", b"/a/", b"/a?", b"/a?b=c&d", b"/a?b?c", b"/a?/../b", b"/%61%2F?%2e%2e",
        b"/caf%C3%A9", b"*",
    ],
)  # fmt: skip
def test_a_target_goes_on_byte_by_byte(target: bytes) -> None:
    assert target_seen(target) == target


def test_an_absolute_target_goes_on_as_its_path() -> None:
    assert target_seen(b"http://shop.example/a/b", path=b"/a/b") == b"/a/b"
    assert target_seen(b"http://shop.example", path=b"/") == b"/"


@pytest.mark.parametrize(
    ("prefix", "target", "seen"),
    [
        pytest.param("/api", b"/api/orders", b"/orders", id="a prefix"),
        pytest.param("/api", b"/api", b"/", id="nothing but the prefix"),
        pytest.param("/api", b"/api/", b"/", id="the prefix and a slash"),
        pytest.param("/api", b"/api?a=b", b"/?a=b", id="the prefix and a query"),
        pytest.param("/api", b"/api/orders/?a=/api/", b"/orders/?a=/api/", id="slashes stay"),
        pytest.param("/api", b"/%61pi/orders", b"/orders", id="the prefix escaped"),
        pytest.param("/api", b"/api/api/7", b"/api/7", id="once only"),
        pytest.param("/api", b"/api/a%2Fb", b"/a%2Fb", id="escapes stay"),
        pytest.param("/a/b", b"/a/b/c/d", b"/c/d", id="two segments"),
        pytest.param("/a/b", b"/a/b", b"/", id="nothing but two segments"),
        pytest.param("/a/b", b"/a/b/", b"/", id="two segments and a slash"),
        pytest.param("/a b", b"/a%20b/c", b"/c", id="a prefix that must be escaped"),
    ],
)
def test_the_prefix_is_taken_off_by_segments(prefix: str, target: bytes, seen: bytes) -> None:
    assert target_seen(target, prefix) == seen


def test_an_absolute_target_loses_its_prefix_too() -> None:
    assert target_seen(b"http://shop.example/api/a", "/api", path=b"/api/a") == b"/a"


def test_an_unread_head_has_a_target_but_no_path() -> None:
    exchange = an_unread_exchange()
    assert Upstream(a_target(), None).decide(exchange) is PASS
    assert not hasattr(exchange, "upstream_path")


@pytest.mark.parametrize(
    ("section", "text", "authority"),
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000", b"127.0.0.1:3000"),
        ("http://app.internal", "http://app.internal", b"app.internal"),
        ("https://app.internal", "https://app.internal", b"app.internal"),
        ("http://[::1]:3000", "http://[::1]:3000", b"[::1]:3000"),
        ("unix:///run/app.sock", "unix:///run/app.sock", b"localhost"),
    ],
)
def test_a_section_becomes_a_target(section: str, text: str, authority: bytes) -> None:
    target = target_of(Section.model_validate(section))
    assert str(target) == text
    assert target.authority == authority
    assert (target.connect_timeout, target.idle_connections, target.idle_seconds) == (2.0, 128, 15)


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        pytest.param(None, UpstreamTls("app.internal", None, None, None), id="the system's"),
        pytest.param(
            {"server_name": "other"}, UpstreamTls("other", None, None, None), id="another name"
        ),
    ],
)
def test_https_is_verified(tls: dict[str, str] | None, expected: UpstreamTls) -> None:
    section = Section.model_validate({"url": "https://app.internal", "tls": tls})
    assert target_of(section).tls == expected


def test_equal_sections_are_the_same_upstream() -> None:
    one, other = (target_of(Section.model_validate("http://app.internal")) for _ in range(2))
    third = target_of(Section.model_validate("https://app.internal"))
    assert one.key == other.key != third.key
    assert one != other
