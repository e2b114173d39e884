"""The section `assertion`: what the upstream can verify of the caller (TN-3)."""

import base64
import binascii
import re
from typing import Annotated, Final

from sidecar.model.secret import Secret
from sidecar.policy.schema.files import SecretText
from sidecar.policy.schema.jwt import Visible
from sidecar.policy.schema.names import FieldName
from sidecar.policy.schema.quantities import PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import AfterValidator, BeforeValidator, Field, WithJsonSchema
from sidecar.policy.written import misfit

MAX_LIFE_SECONDS: Final = 60.0
_PEM: Final = re.compile(
    rb"\s*-----BEGIN PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PRIVATE KEY-----\s*\Z"
)
# RFC 8410 §7: the DER of an Ed25519 key has a fixed head, so no parser is needed for it.
_DER_HEAD: Final = bytes.fromhex("302e020100300506032b657004220420")
_SEED_BYTES: Final = 32
_KEY_HINT: Final = "openssl genpkey -algorithm ed25519 -out assertion.pem"


def _ring(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _seed(pem: Secret) -> Secret:
    """Take the 32 bytes of the key out of its file: what is not exactly one is no key."""
    found = _PEM.match(pem.reveal())
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if not der.startswith(_DER_HEAD) or len(der) != len(_DER_HEAD) + _SEED_BYTES:
        raise misfit("is no Ed25519 private key in PEM (PKCS#8)", _KEY_HINT, is_quoted=False)
    return Secret(der.removeprefix(_DER_HEAD))


def _short(seconds: float) -> float:
    if seconds > MAX_LIFE_SECONDS:
        raise misfit("is longer than an assertion may live", "60s at most, such as 30s")
    # Verifiers and the claim `exp` count whole seconds.
    if seconds != int(seconds):
        raise misfit("is no number of whole seconds", "whole seconds, such as 30s")
    return seconds


_TEXT: Final = {"type": "string", "minLength": 1}
_TEXTS: Final = {"type": "array", "items": _TEXT, "minItems": 1}

SigningKey = Annotated[SecretText, AfterValidator(_seed)]
"""An Ed25519 private key: its 32 bytes (RFC 8032 §5.1.5)."""


class Assertion(Section):
    """One signed, short-lived statement of who is calling, for each request; off if left out.

    Attributes:
        key: Ed25519 private key in PEM that signs, or a list, the newest first: the others are only
            published, so that the key can be changed without a gap.
        audience: `aud`: the name of the service, which it insists on.
        issuer: `iss`: the name of the sidecar.
        life: how long it is good, 60s at most.
        header: field that carries it.
    """

    key: Annotated[
        tuple[SigningKey, ...],
        BeforeValidator(_ring),
        Field(min_length=1, examples=["file:/secrets/assertion.pem"]),
        WithJsonSchema({"anyOf": [_TEXT, _TEXTS]}),
    ]
    audience: Annotated[Visible, Field(examples=["orders"])]
    issuer: Annotated[Visible, Field(examples=["sidecar"])] = "sidecar"
    life: Annotated[PositiveDuration, AfterValidator(_short), Field(examples=["30s"])] = 30.0
    header: Annotated[FieldName, Field(examples=["X-Sidecar-Assertion"])] = "X-Sidecar-Assertion"
