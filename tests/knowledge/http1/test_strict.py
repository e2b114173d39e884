"""Hosts, lengths, keys: judged by the grammar of their RFC."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.strict import METHODS, is_host, is_websocket_key, parse_length

pytestmark = pytest.mark.control("RQ-7")


@pytest.mark.parametrize(
    "value",
    [
        b"a", b"shop.example", b"SHOP.example:8080", b"shop.example.", b"a_b.example", b"_a",
        b"xn--caf-dma.example", b"192.0.2.1", b"192.0.2.1:1", b"a:65535", b"a:00080", b"[::1]",
        b"[::1]:443", b"[2001:db8::1]", b"[::ffff:192.0.2.1]", b"a" * 253, b"a" * 253 + b":1",
    ],
)  # fmt: skip
def test_a_name_or_an_address_with_or_without_a_port_is_a_host(value: bytes) -> None:
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    [
        b"", b":80", b"a:", b"a:0", b"a:000", b"a:65536", b"a:100000", b"a:8o", b"a:-1", b"a:80:80",
        b"-a", b".a", b"a..b", b"a.example..", b"a b", b"a,b", b"a/b", b"a?b", b"a#b", b"a@b",
        b"user:pass@a", b"a\\b", b"a%00", b"\xe9.example", b"a;b", b"a|b", b"(a)", b"[]", b"[::1",
        b"::1", b"[::1]a", b"[::1]:", b"[::1]:0", b"[:::1]", b"[1.2.3.4]", b"[fe80::1%25eth0]",
        b"[g::1]", b"[v1.a]", b"a" * 254, b"a-", b"a\n",
    ],
)  # fmt: skip
def test_whatever_else_is_no_host(value: bytes) -> None:
    assert not is_host(value)


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (b"0", 0), (b"5", 5), (b"007", 7), (b"9" * 18, 10**18 - 1), (b"9" * 19, None), (b"", None),
        (b"+5", None), (b"-5", None), (b"5 ", None), (b"5,5", None), (b"5_0", None), (b"0x5", None),
        (b"5.0", None), (b"5\n", None), (b"\xd9\xa5", None), (b"\xb2", None),
    ],
)  # fmt: skip
def test_a_length_is_digits_alone(value: bytes, length: int | None) -> None:
    assert parse_length(value) == length


@pytest.mark.parametrize(
    ("value", "is_key"),
    [
        (b"dGhlIHNhbXBsZSBub25jZQ==", True), (b64encode(bytes(16)), True),
        (b64encode(bytes(15)), False), (b64encode(bytes(17)), False), (b"", False),
        (b"dGhlIHNhbXBsZSBub25jZQ=", False), (b"dGhlIHNhbXBsZSBub25j!Q==", False),
        (b"dGhl IHNhbXBsZSBub25jZQ==", False), (b"\xff" * 24, False),
    ],
)  # fmt: skip
def test_a_websocket_key_is_sixteen_octets(value: bytes, *, is_key: bool) -> None:
    assert is_websocket_key(value) is is_key


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"PRI", b"get", b""])
def test_methods_that_would_open_tunnels_or_echo_are_not_served(method: bytes) -> None:
    assert method not in METHODS


@given(st.binary(max_size=40))
def test_no_value_raises(value: bytes) -> None:
    assert isinstance(is_host(value), bool)
    assert isinstance(is_websocket_key(value), bool)
    assert parse_length(value) is None or value.isdigit()
