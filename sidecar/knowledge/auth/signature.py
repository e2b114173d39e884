"""The signatures of JWS by PyJWT's algorithms (RFC 7518 §3, RFC 8037).

The only module that needs PyJWT for a request; whoever verifies no JWT does not import it.
"""

from typing import Final

from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import InvalidKeyError

from sidecar.model.secret import Secret

ACCEPTED: Final = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip

# `none` is in PyJWT's table and must be unreachable, whatever a policy or a token says.
_ALGORITHMS: Final[dict[str, Algorithm]] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ACCEPTED
}


def is_signed(algorithm: str, key: object, signed: bytes, signature: bytes) -> bool:
    """Whether a signature is good.

    Args:
        algorithm: the algorithm that policy and key agree on.
        key: a key that fits it.
        signed: what is signed.
        signature: the signature; ECDSA's as two integers of the curve's size (RFC 7518 §3.4).
    """
    verifier = _ALGORITHMS[algorithm]
    if algorithm.startswith("HS"):
        return isinstance(key, Secret) and verifier.verify(signed, key.reveal(), signature)
    try:
        # PyJWT judges the key's type and curve again: RFC 8725 §3.1 wants one key, one algorithm.
        fitting = verifier.prepare_key(key)
    except (InvalidKeyError, TypeError):
        return False
    return verifier.verify(signed, fitting, signature)
