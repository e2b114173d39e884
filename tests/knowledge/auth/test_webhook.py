"""Signatures of webhooks: every scheme's own example passes, and nothing beside it does."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.auth.webhook import (
    SIGNATURES,
    Claim,
    GitHub,
    Hmac,
    Scheme,
    Standard,
    Stripe,
    Values,
)

BODY = b'{"test": 2432232314}'
# The example of the Standard Webhooks specification and its libraries.
STANDARD_SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD: Mapping[bytes, Sequence[bytes]] = {
    b"webhook-id": [b"msg_p5jXN8AQM9LWM0D4loKWxJek"],
    b"webhook-timestamp": [b"1614265330"],
    b"webhook-signature": [b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="],
}
# The example of GitHub's documentation.
GITHUB_SECRET = b"It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB: Mapping[bytes, Sequence[bytes]] = {
    b"x-hub-signature-256": [
        b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    ]
}
KEY = b"a key of sixteen bytes or more"


def hex_of(signed: bytes, key: bytes = KEY, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, signed, algorithm).hexdigest().encode()


STRIPE: Mapping[bytes, Sequence[bytes]] = {
    b"stripe-signature": [b"t=1492774577,v0=00,v1=%b" % hex_of(b"1492774577." + BODY)]
}
SHOP = Hmac(b"x-shop", "sha512", "base64", b"v=", b"x-shop-time")
SHOP_DIGEST = base64.b64encode(hmac.digest(KEY, b"1492774577." + BODY, "sha512"))
SHOPPED: Mapping[bytes, Sequence[bytes]] = {
    b"x-shop": [b"v=" + SHOP_DIGEST],
    b"x-shop-time": [b"1492774577"],
}
PLAIN = Hmac(b"x-signature")

EXAMPLES: list[tuple[Scheme, Mapping[bytes, Sequence[bytes]], bytes, bytes]] = [
    (Standard(), STANDARD, STANDARD_SECRET, BODY),
    (GitHub(), GITHUB, GITHUB_SECRET, GITHUB_BODY),
    (Stripe(), STRIPE, KEY, BODY),
    (SHOP, SHOPPED, KEY, BODY),
    (PLAIN, {b"x-signature": [hex_of(BODY)]}, KEY, BODY),
]
NAMES = ["standard", "github", "stripe", "hmac with a timestamp", "hmac"]


def values_of(fields: Mapping[bytes, Sequence[bytes]]) -> Values:
    return lambda name: fields.get(name, ())


def holds(
    scheme: Scheme, fields: Mapping[bytes, Sequence[bytes]], secret: bytes, body: bytes
) -> bool:
    claim, key = scheme.claim(values_of(fields)), scheme.key(secret)
    if isinstance(claim, str) or key is None:
        return False
    return claim.offers(hmac.digest(key, claim.signed + body, scheme.algorithm))


@pytest.mark.parametrize(("scheme", "fields", "secret", "body"), EXAMPLES, ids=NAMES)
def test_the_example_of_a_scheme_holds_and_nothing_beside_it(
    scheme: Scheme, fields: Mapping[bytes, Sequence[bytes]], secret: bytes, body: bytes
) -> None:
    assert holds(scheme, fields, secret, body)
    assert not holds(scheme, fields, secret, body + b" ")
    assert not holds(scheme, fields, secret, b"")
    other = b"whsec_" + base64.b64encode(b"another key, long enough")
    assert not holds(scheme, fields, other, body)
    for name, own in fields.items():
        for change in ([], [*own, *own], [b""], [b"0" + own[0]], [own[0][:-2]]):
            assert not holds(scheme, {**fields, name: change}, secret, body)


@pytest.mark.parametrize(("scheme", "fields", "secret", "body"), EXAMPLES, ids=NAMES)
def test_a_claim_says_when_it_was_sent_where_that_is_signed(
    scheme: Scheme, fields: Mapping[bytes, Sequence[bytes]], secret: bytes, body: bytes
) -> None:
    del secret, body
    claim = scheme.claim(values_of(fields))
    assert isinstance(claim, Claim)
    assert (claim.sent_at is not None) == scheme.is_dated


@pytest.mark.parametrize(
    ("scheme", "fields"),
    [
        pytest.param(Standard(), {**STANDARD, b"webhook-timestamp": [b"-1"]}, id="a sign"),
        pytest.param(Standard(), {**STANDARD, b"webhook-timestamp": [b"1e9"]}, id="a float"),
        pytest.param(Standard(), {**STANDARD, b"webhook-timestamp": [b"9" * 13]}, id="too long"),
        pytest.param(Standard(), {**STANDARD, b"webhook-id": [b"a.1"]}, id="a dot in the id"),
        pytest.param(Standard(), {**STANDARD, b"webhook-id": [b"a b"]}, id="a blank in the id"),
        pytest.param(Standard(), {**STANDARD, b"webhook-signature": [b"v1a,aa"]}, id="a version"),
        pytest.param(Standard(), {**STANDARD, b"webhook-signature": [b"v1,!"]}, id="no base64"),
        pytest.param(GitHub(), {b"x-hub-signature-256": [b"sha1=00"]}, id="a weaker hash"),
        pytest.param(GitHub(), {b"x-hub-signature": [b"sha1=00"]}, id="the older field"),
        pytest.param(GitHub(), {b"x-hub-signature-256": [b"sha256=xyz"]}, id="no hex"),
        pytest.param(Stripe(), {b"stripe-signature": [b"t=1,t=2,v1=00"]}, id="two moments"),
        pytest.param(Stripe(), {b"stripe-signature": [b"v1=00"]}, id="no moment"),
        pytest.param(Stripe(), {b"stripe-signature": [b"t=1,v0=00"]}, id="an older version"),
        pytest.param(Stripe(), {}, id="nothing"),
        pytest.param(SHOP, {**SHOPPED, b"x-shop": [SHOP_DIGEST]}, id="no prefix"),
        pytest.param(SHOP, {**SHOPPED, b"x-shop-time": [b"soon"]}, id="no number"),
    ],
)
def test_what_cannot_be_read_is_no_claim(
    scheme: Scheme, fields: Mapping[bytes, Sequence[bytes]]
) -> None:
    assert isinstance(scheme.claim(values_of(fields)), str)


def test_of_several_signatures_one_must_be_right_among_the_first() -> None:
    [good] = STANDARD[b"webhook-signature"]
    wrong = b"v1," + base64.b64encode(hashlib.sha256(b"x").digest())
    for many, expected in ((1, True), (SIGNATURES - 1, True), (SIGNATURES, False)):
        offered = b" ".join([*[wrong] * many, good])
        fields = {**STANDARD, b"webhook-signature": [offered]}
        assert holds(Standard(), fields, STANDARD_SECRET, BODY) == expected


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        pytest.param(Standard(), b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="without its prefix"),
        pytest.param(Standard(), b"whsec_MfKQ", id="too short"),
        pytest.param(Standard(), b"whsec_!", id="no base64"),
        pytest.param(GitHub(), b"short", id="a short text"),
        pytest.param(Stripe(), b"", id="an empty one"),
        pytest.param(PLAIN, b"fifteen bytes..", id="one byte too few"),
    ],
)
def test_a_secret_that_is_none_is_no_key(scheme: Scheme, secret: bytes) -> None:
    assert scheme.key(secret) is None


@given(st.dictionaries(st.sampled_from(sorted({*STANDARD, *GITHUB, *STRIPE, *SHOPPED})),
                       st.lists(st.binary(max_size=40), max_size=2)))  # fmt: skip
def test_no_fields_whatever_are_taken_for_signed(fields: dict[bytes, list[bytes]]) -> None:
    for scheme, _, secret, body in EXAMPLES:
        assert not holds(scheme, fields, secret, body)
