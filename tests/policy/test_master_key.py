"""A master key has 32 bytes in three spellings, and nothing else is taken for one (SE-1)."""

from base64 import b64encode, urlsafe_b64encode

import pytest

from sidecar.policy.schema.policy import Policy
from tests.policy.reading import GOOD, loaded, problems_of

KEY = bytes(range(224, 256))
FOREIGN = KEY[:31] + b"\n"
RING = GOOD + "secrets: {master_key: 'file:master'}\n"


def read(content: bytes) -> Policy:
    return loaded(RING, {"master": content}).policy


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(KEY, id="as it is"),
        pytest.param(KEY + b"\n", id="as it is, and a line break"),
        pytest.param(KEY.hex().encode(), id="hex"),
        pytest.param(KEY.hex().upper().encode() + b"\r\n", id="hex in capitals, and a line break"),
        pytest.param(b64encode(KEY), id="base64"),
        pytest.param(b64encode(KEY) + b"\n", id="base64 and a line break"),
        pytest.param(b64encode(KEY).rstrip(b"="), id="base64 without its padding"),
        pytest.param(urlsafe_b64encode(KEY), id="base64 for URLs"),
    ],
)
def test_a_key_may_be_raw_hex_or_base64(content: bytes) -> None:
    (key,) = read(content).secrets.master_key or ()
    assert key.reveal() == KEY


def test_a_raw_key_may_end_in_a_line_break_of_its_own() -> None:
    (key,) = read(FOREIGN).secrets.master_key or ()
    assert key.reveal() == FOREIGN


def test_a_ring_keeps_its_order() -> None:
    text = GOOD + "secrets: {master_key: ['env:NEW', 'env:OLD']}\n"
    policy = loaded(text, environ={"NEW": "11" * 32, "OLD": "22" * 32}).policy
    ring = policy.secrets.master_key or ()
    assert [key.reveal()[0] for key in ring] == [0x11, 0x22]
    assert "1111" not in repr(policy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(KEY[:31], "has 31 bytes, not 32", id="a byte short"),
        pytest.param(KEY + b"\xff", "has 33 bytes, not 32", id="a byte long"),
        pytest.param(KEY[:16].hex().encode(), "has 16 bytes, not 32", id="half a key in hex"),
        pytest.param(b64encode(KEY[:24]), "has 24 bytes, not 32", id="three quarters in base64"),
        pytest.param(KEY.hex().encode() + b"ff", "has 49 bytes, not 32", id="more hex than a key"),
        pytest.param(b"correct horse battery staple 123", "neither hex nor base64", id="a phrase"),
        pytest.param(b"\n", "is an empty secret", id="nothing"),
    ],
)
def test_nothing_else_is_taken_for_a_key(content: bytes, message: str) -> None:
    (problem,) = problems_of(RING, {"master": content})
    assert message in problem.message
    assert "openssl rand -hex 32" in problem.hint
    assert content.decode("latin-1").strip() not in str(problem) or not content.strip()


def test_a_tenant_with_a_credential_is_served_with_a_key_and_an_upstream() -> None:
    text = RING + "tenants: {acme: {upstream: http://acme, upstream_credential: token}}\n"
    assert loaded(text, {"master": KEY}).warnings == ()
