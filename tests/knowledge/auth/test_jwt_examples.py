"""The examples of the RFCs: what is signed there verifies here, and nothing else passes.

None of them has a subject or an audience, so none is accepted whole: what is judged first is the
signature, and the reason tells how far each came.
"""

import json

import pytest

from sidecar.knowledge.auth.compact import Compact, take_apart
from sidecar.knowledge.auth.jwt import signature_problem
from sidecar.knowledge.auth.key_set import Published, read_key_set
from sidecar.knowledge.auth.signature import is_signed
from sidecar.model.identity import KeySet, VerifyingKey
from sidecar.model.secret import Secret
from tests.knowledge.auth.minting import (
    KeysAtHand,
    an_at_hand,
    b64,
    unb64,
)
from tests.knowledge.auth.proving import a_prover, an_issuer, verdict_on

PAYLOAD = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
# RFC 7515 A.1
A1_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
A1 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    + PAYLOAD
    + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
# RFC 7515 A.2
A2_KEY = {
    "kty": "RSA",
    "n": (
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0"
        "Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS"
        "5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH"
        "7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    ),
    "e": "AQAB",
}
A2 = (
    "eyJhbGciOiJSUzI1NiJ9."
    + PAYLOAD
    + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
    "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
    "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w"
    "9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
# RFC 7515 A.3
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3 = (
    "eyJhbGciOiJFUzI1NiJ9."
    + PAYLOAD
    + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# RFC 7515 A.4: its payload is the word `Payload`, no claims set.
A4 = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-"
    "mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNr"
    "mxYbSW9ERBXukOXolLzeO_Jn"
)
# RFC 7515 A.5
A5 = "eyJhbGciOiJub25lIn0." + PAYLOAD + "."
# RFC 8037 A.1 and A.4: its payload is a sentence, no claims set.
ED_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvM"
    "g3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


def a_set(*keys: dict[str, str]) -> KeySet:
    published = read_key_set("joe", json.dumps({"keys": keys}).encode(), 0.0)
    assert isinstance(published, Published)
    return published.key_set


SECRET_SET = KeySet("joe", (VerifyingKey("", None, "oct", Secret(unb64(A1_KEY))),), 0.0)


@pytest.mark.parametrize(
    ("token", "key_set"),
    [
        pytest.param(A1, SECRET_SET, id="HS256"),
        pytest.param(A2, a_set(A2_KEY), id="RS256"),
        pytest.param(A3, a_set(A3_KEY), id="ES256"),
    ],
)
def test_a_signature_of_rfc_7515_verifies(token: str, key_set: KeySet) -> None:
    parts = take_apart(token.encode(), 8192)
    assert isinstance(parts, Compact)
    assert parts.claims["iss"] == "joe"
    assert signature_problem(parts, key_set, is_signed) == ""
    other = a_set(A2_KEY, A3_KEY) if key_set is SECRET_SET else SECRET_SET
    assert signature_problem(parts, other, is_signed) == "jwt: no key fits the algorithm"
    changed = Compact(parts.header, parts.claims, parts.signed + b"A", parts.signature)
    assert signature_problem(changed, key_set, is_signed) == "jwt: wrong signature"


def test_the_signature_of_rfc_8037_verifies() -> None:
    signed, _, signature = ED.encode().rpartition(b".")
    (key,) = a_set(ED_KEY).keys
    assert key.algorithm == "EdDSA"
    assert is_signed("EdDSA", key.key, signed, unb64(signature))
    assert not is_signed("EdDSA", key.key, signed + b"A", unb64(signature))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(A1, "jwt: audience not ours", id="7515 A.1"),
        pytest.param(A2, "jwt: algorithm not allowed", id="7515 A.2"),
        pytest.param(A3, "jwt: algorithm not allowed", id="7515 A.3"),
        pytest.param(A4, "jwt: payload is no JSON object", id="7515 A.4"),
        pytest.param(A5, "jwt: algorithm not allowed", id="7515 A.5"),
        pytest.param(ED, "jwt: payload is no JSON object", id="8037 A.4"),
        pytest.param(
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtc"
            "GxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
            "jwt: algorithm not allowed",
            id="7519 6.1",
        ),
    ],
)
def test_an_example_is_no_credential(token: str, reason: str) -> None:
    keys = KeysAtHand(SECRET_SET)
    issuer = an_issuer(issuer="joe", algorithms=["HS256"], jwks=None, secret="x" * 32)
    assert verdict_on(a_prover(an_at_hand(SECRET_SET), issuer), token.encode(), keys) == reason


def test_the_key_of_the_example_is_long_enough_for_every_hash() -> None:
    assert b64(unb64(A1_KEY)).decode() == A1_KEY
    assert len(unb64(A1_KEY)) == 64
