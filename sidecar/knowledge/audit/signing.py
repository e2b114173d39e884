"""Signatures of checkpoints and purges: Ed25519 (RFC 8032), keys named by thumbprint (RFC 7638)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from sidecar.model.secret import Secret


class StatementSigner:
    """Signs statements.

    Args:
        seed: the 32 bytes of the private key.

    Attributes:
        key_id: thumbprint of the public key.
        public_pem: the public key: SubjectPublicKeyInfo in PEM.
    """

    def __init__(self, seed: Secret) -> None:
        # 9 MB and a native library, for policies that name a key.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self._sign = key.sign
        public = key.public_key()
        self.key_id = _thumbprint(public.public_bytes_raw())
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, text: bytes) -> str:
        """Sign a text; the signature is in base64url without padding."""
        return _encoded(self._sign(text))

    def sign_raw(self, text: bytes) -> bytes:
        """Sign a text; the signature is 64 bytes, as openssl takes them."""
        return self._sign(text)


class SignatureChecker:
    """Checks the signatures of one public key.

    Args:
        pem: the key: SubjectPublicKeyInfo in PEM (RFC 8410).

    Raises:
        ValueError: it is no such key.
    """

    def __init__(self, pem: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("is no Ed25519 key")  # noqa: TRY004  the caller's bytes, not a type
        self._verify = key.verify
        self._key_id = _thumbprint(key.public_bytes_raw())

    def __call__(self, key_id: str, text: bytes, signature: str) -> bool:
        """Whether the key of that id signed that text with that signature."""
        from cryptography.exceptions import InvalidSignature

        if key_id != self._key_id:
            return False
        try:
            self._verify(urlsafe_b64decode(signature + "=="), text)
        except (InvalidSignature, ValueError):
            return False
        return True


def _thumbprint(public: bytes) -> str:
    """Name a public key (RFC 8037 §2, RFC 7638 §3)."""
    required = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(public)}
    return _encoded(sha256(json.dumps(required, separators=(",", ":")).encode()).digest())


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
