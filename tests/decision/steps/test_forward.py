"""What goes upstream: nothing that a client names can stand for a field of ours (TN-1)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision.steps.forward import Forward, host_for
from sidecar.model.exchange import Exchange
from sidecar.model.fields import IDENTITY
from sidecar.model.headers import canonical
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.outcome import PASS
from sidecar.policy.schema.upstream import Upstream as Section
from tests.builders import (
    OWN_ID,
    PEER,
    PROXY,
    a_head,
    a_target,
    an_exchange,
    an_unread_exchange,
    flat,
    names_of,
    values_of,
)

OURS = [
    b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-host",
    b"x-request-id",
]  # fmt: skip


def routed(head: RequestHead, *, is_from_proxy: bool = False, is_secure: bool = False) -> Exchange:
    """Make an exchange as the steps before leave it."""
    exchange = an_exchange(head)
    exchange.is_from_proxy = is_from_proxy
    exchange.is_secure = is_secure
    exchange.forwarded_for = (f"192.0.2.1, {PROXY}" if is_from_proxy else PEER).encode()
    exchange.request_id = OWN_ID
    exchange.target = a_target()
    return exchange


def forwarded(
    *lines: bytes, options: frozenset[bytes] = frozenset(), is_from_proxy: bool = False
) -> list[bytes]:
    """Run the step on a request with some lines, and list what the upstream gets."""
    head = replace(a_head(b"GET", b"/", *lines), connection_options=options)
    return written(routed(head, is_from_proxy=is_from_proxy))


def written(exchange: Exchange, host: bytes | None = None) -> list[bytes]:
    assert Forward(host).decide(exchange) is PASS
    return flat(exchange.upstream_lines)


def spellings(name: str) -> list[str]:
    """Spell a name as services take it for the same one (CGI, WSGI, PHP)."""
    dotted = name.replace("-", ".")
    return [
        name, name.lower(), name.upper(), name.replace("-", "_"), dotted, dotted.upper(),
        name.replace("-", "_", 1), name.replace("-", "~"), name.replace("-", "!"),
    ]  # fmt: skip


IDENTITY_FIELDS = (
    "X-Tenant-Id", "X-User-Id", "X-Roles", "X-Scopes", "X-Tier", "X-Key-Id", "X-Sidecar-Assertion",
)  # fmt: skip
JUDGED_FIELDS = (
    "Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-User", "X-Forwarded-Anything",
    "X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "CF-Connecting-Ip", "X-Remote-Addr",
    "X-Original-Url", "X-Rewrite-Url", "X-Original-Host", "X-Http-Method-Override",
    "X-Method-Override", "X-Http-Method", "X-Request-Id", "Front-End-Https", "Proxy",
)  # fmt: skip
CONNECTION_FIELDS = (
    "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate",
    "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Content-Length", "Expect",
    "Host",
)  # fmt: skip


@pytest.mark.control("TN-1")
@pytest.mark.parametrize("name", [*IDENTITY_FIELDS, *JUDGED_FIELDS, *CONNECTION_FIELDS])
def test_no_spelling_of_a_managed_field_passes(name: str) -> None:
    for spelling in spellings(name):
        field = spelling.encode()
        lines = forwarded(field + b": evil", b"Accept: */*", field + b":evil")
        assert not [line for line in lines if b"evil" in line], spelling
        assert b"Accept: */*" in lines


@pytest.mark.control("TN-1")
@pytest.mark.parametrize("name", IDENTITY_FIELDS)
def test_not_even_a_trusted_proxy_may_name_the_tenant(name: str) -> None:
    lines = forwarded(name.encode() + b": evil", is_from_proxy=True)
    assert not [line for line in lines if b"evil" in line]


@pytest.mark.control("TN-1")
@pytest.mark.parametrize("name", OURS)
def test_a_client_cannot_have_a_field_of_ours_dropped_or_doubled(name: bytes) -> None:
    lines = forwarded(name + b": evil", options=frozenset((name, b"close")))
    assert len(values_of(lines, name)) == 1
    assert values_of(lines, name) != [b"evil"]


@pytest.mark.parametrize(
    "line",
    [
        b"Accept: */*", b"Authorization: Basic QTpC", b"Cookie: a=b", b"X-Tenant: acme",
        b"X-Tenant-Id2: acme", b"XTenantId: acme", b"X-Forward: a", b"Via: 1.1 a", b"X-Custom:\t a",
        b"Content-Type: text/plain", b"Range: bytes=0-1", b"Sec-WebSocket-Key: abc", b"x-empty:",
        b"User-Agent: caf\xe9",
    ],
)  # fmt: skip
def test_all_else_passes_byte_by_byte(line: bytes) -> None:
    assert line in forwarded(line)


def test_lines_keep_their_order_and_their_doubles() -> None:
    given_lines = [b"X-A: 1", b"x-b: 2", b"X-A: 1", b"X-C: 3"]
    lines = forwarded(*given_lines)
    assert [line for line in lines if line in given_lines] == given_lines


def test_what_the_connection_lists_stays_behind() -> None:
    lines = forwarded(b"X-Hop: 1", b"X-End: 2", options=frozenset((b"x-hop", b"close")))
    assert b"x-hop" not in names_of(lines)
    assert b"X-End: 2" in lines


@pytest.mark.parametrize("name", [b"traceparent", b"Tracestate", b"baggage"])
def test_only_a_trusted_proxy_hands_on_a_trace(name: bytes) -> None:
    line = name + b": 00-1-2-01"
    assert line not in forwarded(line)
    assert line in forwarded(line, is_from_proxy=True)


@pytest.mark.parametrize(
    ("host", "rule", "expected"),
    [
        pytest.param(b"shop.example", "preserve", b"shop.example", id="the client's own"),
        pytest.param(b"shop.example", "upstream", b"app.internal:3000", id="the upstream's"),
        pytest.param(b"shop.example", "other.internal", b"other.internal", id="a name"),
        pytest.param(None, "preserve", b"app.internal:3000", id="a client of HTTP/1.0"),
    ],
)
def test_the_host_is_what_the_policy_says(host: bytes | None, rule: str, expected: bytes) -> None:
    section = Section.model_validate({"url": "http://app.internal:3000", "host": rule})
    exchange = routed(a_head(b"GET", b"/", host=host))
    exchange.target = a_target(b"app.internal:3000")
    lines = written(exchange, host_for(section))
    assert lines[0] == b"Host: " + expected
    assert values_of(lines, b"x-forwarded-host") == ([] if host is None else [host])


def test_the_upstream_s_host_is_that_of_the_target_whichever_it_is() -> None:
    section = Section.model_validate({"url": "http://app.internal", "host": "upstream"})
    exchange = routed(a_head())
    exchange.target = a_target(b"acme.internal:3000")
    assert written(exchange, host_for(section))[0] == b"Host: acme.internal:3000"


@pytest.mark.control("TN-6")
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"Authorization: Bearer app", id="the application's"),
        pytest.param(b"AUTHORIZATION:Basic YTpi", id="in another spelling"),
        pytest.param(b"Accept: */*", id="none"),
    ],
)
def test_the_credential_of_an_upstream_is_the_only_one_that_it_gets(line: bytes) -> None:
    exchange = routed(a_head(b"GET", b"/", line))
    exchange.upstream_authorization = b"Bearer hunter2"
    assert values_of(written(exchange), b"authorization") == [b"Bearer hunter2"]


def test_a_client_cannot_strip_the_credential_of_an_upstream() -> None:
    options = frozenset({b"authorization"})
    exchange = routed(replace(a_head(), connection_options=options))
    exchange.upstream_authorization = b"Bearer hunter2"
    assert values_of(written(exchange), b"authorization") == [b"Bearer hunter2"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, [], id="no body"),
        pytest.param({"method": b"POST"}, [b"Content-Length: 0"], id="an empty POST"),
        pytest.param({"method": b"PUT"}, [b"Content-Length: 0"], id="an empty PUT"),
        pytest.param({"method": b"DELETE"}, [], id="an empty DELETE"),
        pytest.param(
            {"method": b"GET", "length": 5}, [b"Content-Length: 5"], id="the body of a GET"
        ),
        pytest.param({"length": CHUNKED}, [b"Transfer-Encoding: chunked"], id="chunks"),
        pytest.param(
            {"method": b"POST", "length": 5, "expects_continue": True},
            [b"Content-Length: 5", b"Expect: 100-continue"],
            id="a client that waits",
        ),
        pytest.param(
            {"is_websocket": True, "connection_options": frozenset({b"upgrade"})},
            [b"Connection: Upgrade", b"Upgrade: websocket"],
            id="a WebSocket",
        ),
    ],
)
def test_the_request_is_framed_anew(change: dict[str, object], expected: list[bytes]) -> None:
    theirs = (
        b"Content-Length: 999", b"Transfer-Encoding: gzip, chunked", b"Connection: x",
        b"Upgrade: h2c", b"Expect: nothing",
    )  # fmt: skip
    # The fields of a dataclass have no common type that `replace` could be called with.
    head = replace(a_head(b"GET", b"/", *theirs), **change)  # type: ignore[arg-type]  # see above
    framing = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"}
    lines = written(routed(head))
    assert [line for line in lines if names_of([line])[0] in framing] == expected


@pytest.mark.parametrize(
    ("is_secure", "is_from_proxy", "host", "proto", "port"),
    [
        pytest.param(False, False, b"shop.example:9", b"http", b"8080", id="our own port"),
        pytest.param(True, False, b"shop.example", b"https", b"8080", id="our own, over TLS"),
        pytest.param(False, True, b"shop.example", b"http", b"80", id="the proxy's, usual"),
        pytest.param(True, True, b"shop.example", b"https", b"443", id="the proxy's over TLS"),
        pytest.param(True, True, b"shop.example:8443", b"https", b"8443", id="the proxy's own"),
        pytest.param(True, True, b"[2001:db8::1]", b"https", b"443", id="IPv6"),
        pytest.param(False, True, b"[2001:db8::1]:81", b"http", b"81", id="IPv6 with a port"),
        pytest.param(False, True, None, b"http", b"80", id="no host"),
    ],
)
def test_the_upstream_learns_how_the_client_came(
    host: bytes | None, proto: bytes, port: bytes, *, is_secure: bool, is_from_proxy: bool
) -> None:
    head = a_head(b"GET", b"/", host=host)
    lines = written(routed(head, is_from_proxy=is_from_proxy, is_secure=is_secure))
    client = b"192.0.2.1, 10.0.0.9" if is_from_proxy else PEER.encode()
    assert values_of(lines, b"x-forwarded-for") == [client]
    assert values_of(lines, b"x-forwarded-proto") == [proto]
    assert values_of(lines, b"x-forwarded-port") == [port]
    assert values_of(lines, b"x-request-id") == [OWN_ID]


def test_an_unread_head_goes_nowhere() -> None:
    exchange = an_unread_exchange()
    assert Forward(None).decide(exchange) is PASS
    assert not hasattr(exchange, "upstream_lines")


_NAMES = st.sampled_from(sorted(IDENTITY)).flatmap(
    lambda name: st.lists(
        st.sampled_from(b"-_.~!#$%&'*+^`|"), min_size=name.count(b"-"), max_size=name.count(b"-")
    ).map(lambda signs: b"".join(spelled(name, signs)))
)


def spelled(name: bytes, signs: list[int]) -> list[bytes]:
    """Put other signs for the hyphens of a name, and every other letter in capitals."""
    rest = iter(signs)
    return [
        bytes((next(rest),)) if byte == ord("-") else bytes((byte,)).upper() if at % 2 else
        bytes((byte,))
        for at, byte in enumerate(name)
    ]  # fmt: skip


@pytest.mark.control("TN-1")
@given(name=_NAMES, is_listed=st.booleans())
def test_whatever_a_service_could_take_for_an_identity_is_taken_out(
    name: bytes, *, is_listed: bool
) -> None:
    options = frozenset((name.lower(),)) if is_listed else frozenset()
    lines = forwarded(name + b": evil", options=options)
    assert not {canonical(one) for one in names_of(lines)} & IDENTITY
