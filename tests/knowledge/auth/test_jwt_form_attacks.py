"""Tokens that two readers could read in two ways; each row is refused, and says why."""

import json
from collections.abc import Callable

import pytest

from tests.knowledge.auth.minting import (
    ISSUER,
    KeysAtHand,
    a_key_set,
    an_at_hand,
    b64,
    claims,
    minted,
    private_key,
    sealed,
    unb64,
)
from tests.knowledge.auth.proving import a_prover, verdict_on

HEADER = b'{"alg":"RS256","typ":"JWT","kid":"RSA"}'
PARTS = "jwt: not three parts"
BASE64 = "jwt: not base64url"
HEAD = "jwt: header is no JSON object"
PAYLOAD = "jwt: payload is no JSON object"


def signed(payload: bytes, header: bytes = HEADER) -> bytes:
    return sealed(header, payload, "RS256", private_key("RSA"))


def with_claim(text: str) -> bytes:
    """Sign good claims with some JSON text laid in front of their end."""
    return signed(json.dumps(claims())[:-1].encode() + f", {text}}}".encode())


def replaced(at: int, change: Callable[[bytes], bytes]) -> bytes:
    parts = minted().split(b".")
    parts[at] = change(parts[at])
    return b".".join(parts)


def next_spelling(part: bytes) -> bytes:
    """Set a bit that carries nothing: RFC 4648 §3.5 lets decoders ignore it, we do not."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 == 2
    other = part[:-1] + alphabet[alphabet.index(part[-1]) + 1 :][:1]
    assert unb64(other) == unb64(part)
    return other


def flattened() -> bytes:
    header, payload, signature = minted().decode().split(".")
    return json.dumps({"protected": header, "payload": payload, "signature": signature}).encode()


ROWS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", PARTS),
    "a word": (lambda: b"token", PARTS),
    "two dots alone": (lambda: b"..", HEAD),
    "two parts: the signature stripped": (lambda: minted().rpartition(b".")[0], PARTS),
    "four parts": (lambda: minted() + b".x", PARTS),
    "six parts": (lambda: b"a.b.c.d.e.f", PARTS),
    "a JWE (RFC 7516 A.1)": (
        lambda: b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOa.48V1.5eym.XFBo",
        "jwt: encrypted",
    ),
    "the JSON serialisation": (flattened, PARTS),
    "padding behind the header": (lambda: replaced(0, lambda part: part + b"="), BASE64),
    "padding behind the payload": (lambda: replaced(1, lambda part: part + b"=="), BASE64),
    "padding behind the signature": (lambda: replaced(2, lambda part: part + b"=="), BASE64),
    "a line break behind the signature": (lambda: minted() + b"\n", BASE64),
    "a blank before the header": (lambda: b" " + minted(), BASE64),
    "a blank within the signature": (
        lambda: replaced(2, lambda part: part[:9] + b" " + part[9:]),
        BASE64,
    ),
    "the alphabet of plain base64": (lambda: replaced(2, lambda part: b"+/" + part[2:]), BASE64),
    "a NUL behind the signature": (lambda: minted() + b"\0", BASE64),
    "a byte beyond ASCII": (lambda: replaced(2, lambda part: part + b"\xff\xfe\xfd\xfc"), BASE64),
    "a character too many": (lambda: replaced(2, lambda part: part + b"AAA"), BASE64),
    "another spelling of the signature": (lambda: replaced(2, next_spelling), BASE64),
    "a token over the size": (lambda: with_claim(f'"x": "{"a" * 8192}"'), "jwt: too large"),
    "a header that is a list": (lambda: signed(b"{}", b'["alg","RS256"]'), HEAD),
    "a header that is null": (lambda: signed(b"{}", b"null"), HEAD),
    "a header in single quotes": (lambda: signed(b"{}", b"{'alg':'RS256'}"), HEAD),
    "a header with a comma too many": (lambda: signed(b"{}", b'{"alg":"RS256",}'), HEAD),
    "a header with two algorithms": (
        lambda: signed(b"{}", b'{"alg":"none","alg":"RS256","kid":"RSA"}'),
        HEAD,
    ),
    "a header with two kids": (
        lambda: signed(b"{}", b'{"alg":"RS256","kid":"x","kid":"RSA"}'),
        HEAD,
    ),
    "a header with one member spelt twice": (
        lambda: signed(b"{}", b'{"alg":"RS256","\\u0061lg":"none","kid":"RSA"}'),
        HEAD,
    ),
    "a header in UTF-16": (lambda: signed(b"{}", HEADER.decode().encode("utf-16")), HEAD),
    "a payload with two issuers": (lambda: with_claim('"iss": "https://evil.example"'), PAYLOAD),
    "a payload with two ends": (lambda: with_claim('"exp": 4102444800'), PAYLOAD),
    "a payload with two tenants": (lambda: with_claim('"tenant_id": "globex"'), PAYLOAD),
    "a member twice, deep inside": (lambda: with_claim('"x": [{"a": 1, "a": 2}]'), PAYLOAD),
    "a payload that is a list": (lambda: signed(b"[]"), PAYLOAD),
    "a payload that is text": (lambda: signed(b'"x"'), PAYLOAD),
    "a payload that is empty": (lambda: signed(b""), PAYLOAD),
    "a payload with something behind it": (
        lambda: signed(json.dumps(claims()).encode() + b"{}"),
        PAYLOAD,
    ),
    "a payload behind a byte order mark": (
        lambda: signed(b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
        PAYLOAD,
    ),
    "a payload in UTF-32": (lambda: signed(json.dumps(claims()).encode("utf-32")), PAYLOAD),
    "a payload in Latin-1": (lambda: signed(b'{"sub":"\xe9"}'), PAYLOAD),
    "overlong UTF-8": (lambda: signed(b'{"sub":"\xc0\xae"}'), PAYLOAD),
    "half of a surrogate pair": (lambda: with_claim('"x": "\\ud800"'), PAYLOAD),
    "not a number": (lambda: with_claim('"x": NaN'), PAYLOAD),
    "infinity": (lambda: with_claim('"x": -Infinity'), PAYLOAD),
    "infinity, written as a number": (lambda: with_claim('"x": 1e999'), PAYLOAD),
    "a number of 5000 digits": (lambda: with_claim(f'"x": {"9" * 5000}'), PAYLOAD),
    "nested 17 deep": (lambda: with_claim(f'"x": {"[" * 16}{"]" * 16}'), PAYLOAD),
    "nested 2500 deep": (lambda: with_claim(f'"x": {"[" * 2500}{"]" * 2500}'), PAYLOAD),
    "objects nested 17 deep": (
        lambda: with_claim('"x": ' + '{"a":' * 16 + "1" + "}" * 16),
        PAYLOAD,
    ),
    "a control character in text": (lambda: signed(b'{"sub":"a\nb"}'), PAYLOAD),
    "a comment": (lambda: signed(b'{"sub":"a"/**/}'), PAYLOAD),
    "a compressed payload": (lambda: signed(b"\x78\x9c\xab\x56\x2a\x2e\x4d\x02"), PAYLOAD),
}


@pytest.mark.control("AN-13")
@pytest.mark.parametrize(("make", "reason"), ROWS.values(), ids=ROWS.keys())
def test_a_token_of_bad_form_is_refused(make: Callable[[], bytes], reason: str) -> None:
    at_hand = an_at_hand(a_key_set(ISSUER, "RSA"))
    assert isinstance(at_hand.key_sets, KeysAtHand)
    assert verdict_on(a_prover(at_hand), make(), at_hand.key_sets) == reason


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: minted("RSA", "RS256", alg="none"), id="unsigned"),
        pytest.param(lambda: replaced(1, lambda part: part + b"=="), id="padded"),
        pytest.param(lambda: with_claim('"iss": "https://evil.example"'), id="two issuers"),
        pytest.param(lambda: minted().rpartition(b".")[0], id="without a signature"),
        pytest.param(lambda: minted() + b".x.y.z", id="with parts too many"),
        pytest.param(lambda: b"x." + b64(json.dumps(claims()).encode()) + b".", id="bad header"),
        pytest.param(lambda: with_claim(f'"x": "{"a" * 9000}"'), id="too large"),
    ],
)
def test_a_bad_token_that_names_an_issuer_of_ours_is_ours(token: Callable[[], bytes]) -> None:
    prover = a_prover(an_at_hand(a_key_set(ISSUER, "RSA")))
    assert prover.recognises(token())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"gho_16C7e42F292c6912E7710c838347Ae178B4a",
        b"a.b.c",
        b"..",
        minted(payload=claims(iss="https://evil.example")),
        minted(payload=claims(iss=[ISSUER])),
        minted(payload=claims(iss=None)),
        b"x." + b64(b'[["iss", "https://idp.example"]]') + b".x",
        b"x." + b64(b'{"x": {"iss": "https://idp.example"}}') + b".x",
        b"x." + b64(b"[" * 5000) + b".x",
    ],
)
def test_what_names_no_issuer_of_ours_belongs_to_the_application(value: bytes) -> None:
    assert not a_prover(an_at_hand(a_key_set(ISSUER, "RSA"))).recognises(value)
