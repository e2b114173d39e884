"""Who the client is: what trusted proxies say, from the right, and nothing that a client says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision.steps.client_address import (
    DirectClient,
    ProxiedClient,
    compile_client_address,
)
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS
from sidecar.model.refusals import RefusalCode
from tests.builders import (
    PEER,
    PROXY,
    a_head,
    a_policy,
    an_exchange,
    an_unread_exchange,
    refusal_of,
)

TRUSTED = ["10.0.0.0/8", "2001:db8:9::/48"]
STEP = compile_client_address(a_policy(listen={"trusted_proxies": TRUSTED}))


def seen(*lines: bytes, peer: str = PROXY, is_tls: bool = False) -> Exchange:
    """Run the step on a request that carries some lines; it passes."""
    exchange = an_exchange(a_head(b"GET", b"/", *lines), peer=peer, is_tls=is_tls)
    assert STEP.decide(exchange) is PASS
    return exchange


def test_a_policy_without_proxies_does_not_read_what_clients_say() -> None:
    step = compile_client_address(a_policy())
    head = a_head(b"GET", b"/", b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: https")
    exchange = an_exchange(head)
    assert isinstance(step, DirectClient)
    assert step.decide(exchange) is PASS
    assert (exchange.client, exchange.forwarded_for) == (PEER, PEER.encode())
    assert not exchange.is_secure
    assert not exchange.is_from_proxy


@pytest.mark.parametrize(
    ("peer", "lines", "client", "forwarded_for"),
    [
        pytest.param(PROXY, [], PROXY, "10.0.0.9", id="the proxy itself asks"),
        pytest.param(PEER, [b"192.0.2.1"], PEER, PEER, id="a stranger may claim nothing"),
        pytest.param(PEER, [b"10.0.0.1"], PEER, PEER, id="a stranger claims to be a proxy"),
        pytest.param("", [b"192.0.2.1"], "", "", id="a peer without an address"),
        pytest.param(PROXY, [b"192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.9", id="one hop"),
        pytest.param(
            PROXY, [b"6.6.6.6, 192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.9", id="forged left"
        ),
        pytest.param(
            PROXY, [b"6.6.6.6", b"192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.9", id="two lines"
        ),
        pytest.param(
            PROXY, [b"10.0.0.1, 6.6.6.6, 192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.9",
            id="a proxy of ours forged on the left",
        ),
        pytest.param(
            PROXY, [b"192.0.2.1, 10.0.0.8"], "192.0.2.1", "192.0.2.1, 10.0.0.8, 10.0.0.9",
            id="two proxies of ours",
        ),
        pytest.param(
            PROXY, [b"10.0.0.7, 10.0.0.8"], "10.0.0.7", "10.0.0.7, 10.0.0.8, 10.0.0.9",
            id="the client is one of ours",
        ),
        pytest.param(PROXY, [b"192.0.2.1:4711"], "192.0.2.1", "192.0.2.1, 10.0.0.9", id="a port"),
        pytest.param(
            PROXY, [b"2001:db8::1"], "2001:db8::1", "2001:db8::1, 10.0.0.9", id="bare IPv6"
        ),
        pytest.param(
            PROXY, [b"[2001:db8::1]"], "2001:db8::1", "2001:db8::1, 10.0.0.9", id="IPv6 in brackets"
        ),
        pytest.param(
            PROXY, [b"[2001:DB8:0:0::1]:4711"], "2001:db8::1", "2001:db8::1, 10.0.0.9",
            id="IPv6 with a port, spelled at length",
        ),
        pytest.param(
            PROXY, [b"::ffff:192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.9", id="IPv4-mapped"
        ),
        pytest.param(
            PROXY, [b"192.0.2.1, ::ffff:10.0.0.8"], "192.0.2.1",
            "192.0.2.1, 10.0.0.8, 10.0.0.9", id="a proxy of ours, IPv4-mapped",
        ),
        pytest.param(
            "2001:db8:9::2", [b"192.0.2.1"], "192.0.2.1", "192.0.2.1, 2001:db8:9::2",
            id="a proxy over IPv6",
        ),
        pytest.param(
            "::ffff:10.0.0.9", [b"192.0.2.1"], "192.0.2.1", "192.0.2.1, ::ffff:10.0.0.9",
            id="a proxy at a dual-stack socket",
        ),
        pytest.param(
            "2001:db8:a::2", [b"192.0.2.1"], "2001:db8:a::2", "2001:db8:a::2",
            id="a stranger over IPv6",
        ),
        pytest.param(PROXY, [b""], PROXY, "10.0.0.9", id="an empty list"),
        pytest.param(PROXY, [b", ,"], PROXY, "10.0.0.9", id="a list of nothing"),
        pytest.param(PROXY, [b"unknown"], PROXY, "10.0.0.9", id="no address at all"),
        pytest.param(
            PROXY, [b"192.0.2.1, bogus, 10.0.0.8"], "10.0.0.8", "10.0.0.8, 10.0.0.9",
            id="what stands left of nonsense is not believed",
        ),
        pytest.param(PROXY, [b"192.0.2.256"], PROXY, "10.0.0.9", id="out of range"),
        pytest.param(PROXY, [b"010.0.0.1"], PROXY, "10.0.0.9", id="octal or decimal"),
        pytest.param(PROXY, [b"3221225985"], PROXY, "10.0.0.9", id="one number"),
        pytest.param(PROXY, [b"fe80::1%eth0"], PROXY, "10.0.0.9", id="a zone of another host"),
        pytest.param(PROXY, [b"192.0.2.1:"], PROXY, "10.0.0.9", id="a colon without a port"),
        pytest.param(PROXY, [b"[192.0.2.1"], PROXY, "10.0.0.9", id="an open bracket"),
        pytest.param(PROXY, [b"192.0.2.1\xff"], PROXY, "10.0.0.9", id="bytes beyond ASCII"),
        pytest.param(PROXY, [b"192.0.2.1 192.0.2.2"], PROXY, "10.0.0.9", id="no comma"),
    ],
)  # fmt: skip
def test_the_client_is_the_nearest_hop_that_is_not_ours(
    peer: str, lines: list[bytes], client: str, forwarded_for: str
) -> None:
    exchange = seen(*(b"X-Forwarded-For: " + line for line in lines), peer=peer)
    assert exchange.client == client
    assert exchange.forwarded_for == forwarded_for.encode()


@pytest.mark.parametrize(
    ("value", "client"),
    [
        pytest.param(b"for=192.0.2.1", "192.0.2.1", id="plain"),
        pytest.param(b'for="192.0.2.1:4711"', "192.0.2.1", id="quoted, with a port"),
        pytest.param(b'for="[2001:db8::1]:4711"', "2001:db8::1", id="IPv6"),
        pytest.param(b"For=192.0.2.1;proto=https;by=10.0.0.9", "192.0.2.1", id="more parameters"),
        pytest.param(b"proto=https; for=192.0.2.1", "192.0.2.1", id="white space, other order"),
        pytest.param(b"for=6.6.6.6, for=192.0.2.1", "192.0.2.1", id="forged left"),
        pytest.param(b'for=", for=192.0.2.1', "192.0.2.1", id="a quote left open by a forger"),
        pytest.param(b"for=192.0.2.1, for=10.0.0.8", "192.0.2.1", id="two proxies of ours"),
        pytest.param(b"for=unknown", PROXY, id="unknown"),
        pytest.param(b"for=_hidden", PROXY, id="obfuscated"),
        pytest.param(b"proto=https", PROXY, id="no address"),
        pytest.param(b"for=", PROXY, id="an empty address"),
        pytest.param(b"for=192.0.2.1;", PROXY, id="a semicolon too many"),
        pytest.param(b"for 192.0.2.1", PROXY, id="no equals sign"),
        pytest.param(b"for=192.0.2.1;for=6.6.6.6", PROXY, id="two addresses of one hop"),
        pytest.param(b'for="192.0.2.1', PROXY, id="an open quote"),
        pytest.param(b'for="a\\"b"', PROXY, id="an escaped quote"),
        pytest.param(b"for=192.0.2.1;by=a b", PROXY, id="a blank inside a token"),
    ],
)
def test_forwarded_is_read_like_its_older_sister(value: bytes, client: str) -> None:
    assert seen(b"Forwarded: " + value).client == client


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        pytest.param(b"192.0.2.1", b"for=192.0.2.2", id="other clients"),
        pytest.param(b"192.0.2.1", b"for=192.0.2.1, for=10.0.0.8", id="other hops"),
        pytest.param(b"192.0.2.1", b"for=unknown", id="one knows nobody"),
        pytest.param(b"bogus", b"for=192.0.2.1", id="the other knows nobody"),
        pytest.param(b"192.0.2.1", b"nonsense", id="one is malformed"),
    ],
)
def test_two_accounts_that_differ_are_refused(listed: bytes, named: bytes) -> None:
    head = a_head(b"GET", b"/", b"X-Forwarded-For: " + listed, b"Forwarded: " + named)
    assert refusal_of(STEP.decide(an_exchange(head, peer=PROXY))) is RefusalCode.BAD_REQUEST


def test_two_accounts_that_agree_pass() -> None:
    lines = (b"X-Forwarded-For: 6.6.6.6, 192.0.2.1:80", b'Forwarded: for="192.0.2.1"')
    assert seen(*lines).client == "192.0.2.1"


@pytest.mark.parametrize(
    ("lines", "is_tls", "is_secure"),
    [
        pytest.param([], False, False, id="nothing is said, clear text here"),
        pytest.param([], True, True, id="nothing is said, TLS here"),
        pytest.param([b"X-Forwarded-Proto: https"], False, True, id="TLS at the proxy"),
        pytest.param([b"X-Forwarded-Proto: WSS"], False, True, id="a WebSocket over TLS"),
        pytest.param([b"X-Forwarded-Proto: http"], True, False, id="clear text at the proxy"),
        pytest.param([b"X-Forwarded-Proto: https, http"], False, False, id="the nearest decides"),
        pytest.param([b"X-Forwarded-Proto: http, https"], False, True, id="for good, too"),
        pytest.param([b"X-Forwarded-Proto: gopher"], True, False, id="unknown is not secure"),
        pytest.param([b"Forwarded: for=192.0.2.1;proto=https"], False, True, id="Forwarded"),
        pytest.param([b"Forwarded: proto=https, proto=http"], False, False, id="its nearest"),
        pytest.param([b"Forwarded: for=192.0.2.1"], True, True, id="Forwarded without a scheme"),
    ],
)
def test_the_nearest_proxy_says_whether_the_client_came_over_tls(
    lines: list[bytes], *, is_tls: bool, is_secure: bool
) -> None:
    assert seen(*lines, is_tls=is_tls).is_secure is is_secure


def test_a_stranger_cannot_claim_tls() -> None:
    assert not seen(b"X-Forwarded-Proto: https", peer=PEER).is_secure


def test_the_walk_ends_after_thirty_two_hops() -> None:
    hops = [f"10.1.{at // 256}.{at % 256}" for at in range(8000)]
    exchange = seen(b"X-Forwarded-For: " + ", ".join(hops).encode())
    assert exchange.client == hops[-32]
    assert exchange.forwarded_for.decode().split(", ") == [*hops[-32:], PROXY]


def test_an_unread_head_leaves_the_socket_s_address() -> None:
    exchange = an_unread_exchange(peer=PROXY, is_tls=True)
    assert STEP.decide(exchange) is PASS
    assert (exchange.client, exchange.is_secure, exchange.is_from_proxy) == (
        PROXY,
        True,
        False,
    )


def test_both_ways_write_the_same_facts() -> None:
    facts = {"client", "forwarded_for", "is_from_proxy", "is_secure"}
    assert DirectClient.writes == ProxiedClient.writes == facts


_FIELD_BYTES = st.binary(max_size=40).map(lambda value: bytes(b for b in value if 32 <= b < 127))


@given(
    st.lists(
        st.tuples(
            st.sampled_from((b"X-Forwarded-For", b"Forwarded", b"X-Forwarded-Proto")),
            _FIELD_BYTES | st.sampled_from((b"for=10.0.0.1", b"10.0.0.2", b'for="', b"a,b;c=d")),
        ),
        max_size=6,
    )
)
def test_no_field_raises_and_what_is_left_of_the_peer_is_always_last(
    fields: list[tuple[bytes, bytes]],
) -> None:
    head = a_head(b"GET", b"/", *(name + b": " + value for name, value in fields))
    exchange = an_exchange(head, peer=PROXY)
    STEP.decide(exchange)
    assert exchange.forwarded_for.endswith(PROXY.encode())
    assert exchange.forwarded_for.startswith(exchange.client.encode())
