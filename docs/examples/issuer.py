# noqa: INP001 -- an example in a folder of pages, not a package
"""A small identity provider of files, to try tokens without one.

python docs/examples/issuer.py key NAME                  makes NAME.pem, and adds it to jwks.json
python docs/examples/issuer.py token NAME [CLAIM=VALUE]  prints a token that NAME.pem signed
"""

import json
import os
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import OKPAlgorithm

JWKS = Path("jwks.json")


def make_key(name: str) -> None:
    """Make a key, keep its private half for its owner alone, and publish the other."""
    key = Ed25519PrivateKey.generate()
    flags = os.O_CREAT | os.O_WRONLY | os.O_EXCL
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(f"{name}.pem", flags, 0o600), "wb") as file:
        file.write(content)
    keys = json.loads(JWKS.read_bytes())["keys"] if JWKS.exists() else []
    public = json.loads(OKPAlgorithm.to_jwk(key.public_key()))
    keys.append({**public, "kid": name, "use": "sig", "alg": "EdDSA"})
    JWKS.write_text(json.dumps({"keys": keys}, indent=2))


def token(name: str, *changes: str) -> str:
    """Sign a token for an hour; a list has commas, and an empty value takes a claim out."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": "https://idp.example",
        "aud": "orders",
        "sub": "user-7",
        "iat": now,
        "exp": now + 3600,
        "tenant_id": "acme",
        "roles": ["developer"],
    }
    for change in changes:
        claim, _, value = change.partition("=")
        claims[claim] = int(value) if value.isdigit() else value.split(",")
        if claim in {"iss", "aud", "sub", "jti", "tenant_id"}:
            claims[claim] = value
        if not value:
            del claims[claim]
    key = Path(f"{name}.pem").read_bytes()
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": name})


if __name__ == "__main__":
    command, name, *rest = sys.argv[1:]
    if command == "key":
        make_key(name)
    else:
        sys.stdout.write(token(name, *rest))
