"""Policies of tokens that are sound: the rules about tokens find nothing."""

import pytest

from tests.policy.reading import GOOD, problems_of

FILES = {
    "jwks": b'{"keys": [{"kty": "EC", "crv": "P-256"}, {"kty": "oct", "use": "enc"}]}',
    "secret": b"0123456789abcdef0123456789abcdef",
}
START = "issuer: a, audiences: [b]"


@pytest.mark.parametrize(
    "entry",
    [
        "algorithms: [ES256, RS256], jwks: 'file:jwks'",
        "algorithms: [EdDSA], jwks: 'https://idp.example/jwks.json'",
        "algorithms: [PS512], jwks: 'http://localhost:8000/jwks.json'",
        "algorithms: [PS512], jwks: 'http://127.0.0.2/jwks.json'",
        "algorithms: [PS512], jwks: 'http://[::1]/jwks.json'",
        "algorithms: [HS256], secret: 'file:secret'",
        "algorithms: [HS256], secret: 'file:secret', leeway: 0s, max_life: 5m",
    ],
)
def test_a_sound_issuer_passes(entry: str) -> None:
    text = f"{GOOD}authentication:\n  cookie: t\n  jwt:\n    - {{{START}, {entry}}}\n"
    assert problems_of(text, FILES) == []


def test_sound_opaque_tokens_pass() -> None:
    keys = (
        "url: 'https://idp.example/i', client_id: a, client_secret: 'file:secret', audiences: [b]"
    )
    text = f"{GOOD}authentication:\n  cookie: t\n  introspection: {{{keys}}}\n"
    assert problems_of(text, FILES) == []
