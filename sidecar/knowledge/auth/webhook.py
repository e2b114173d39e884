"""Signatures of inbound webhooks: what each scheme signs, and how it says so (RQ-8).

standard   Webhook-Id, Webhook-Timestamp and Webhook-Signature (Standard Webhooks 1.0)
github     X-Hub-Signature-256: nothing but the body is signed
stripe     Stripe-Signature: t=…,v1=…
hmac       an HMAC of the body in a field that the policy names, perhaps with a timestamp
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

SIGNATURES: Final = 8
"""Signatures of one delivery that are looked at: keys that are being rotated, no more."""
STANDARD_PREFIX: Final = b"whsec_"
LEAST_KEY_BYTES: Final = 16
_SECONDS: Final = re.compile(rb"[0-9]{1,12}\Z")
_ID: Final = re.compile(rb"[\x21-\x7e]{1,255}\Z")
_HEX: Final = re.compile(rb"(?:[0-9a-f]{2})+\Z", re.IGNORECASE)

Values = Callable[[bytes], Sequence[bytes]]
"""Gives the values of all lines of one field, by its name in lower case."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a delivery says of itself; nothing of it is proven.

    Attributes:
        signed: what is signed before the body.
        signatures: digests that it offers; one of them must be right.
        sent_at: Unix seconds when it was sent; None where the scheme does not say.
    """

    signed: bytes
    signatures: tuple[bytes, ...]
    sent_at: int | None

    def offers(self, digest: bytes) -> bool:
        """Tell whether a digest is among those offered; each is compared in constant time."""
        found = [hmac.compare_digest(digest, one) for one in self.signatures]
        return any(found)


class Scheme(Protocol):
    """A way to sign deliveries."""

    @property
    def algorithm(self) -> str:
        """Name of the hash function."""

    @property
    def is_dated(self) -> bool:
        """Whether the signature covers when it was sent."""

    def claim(self, values: Values) -> Claim | str:
        """Read what a delivery says of itself; a text says why it cannot be read."""

    def key(self, secret: bytes) -> bytes | None:
        """Return the key of a secret; None for a secret that is none of this scheme."""


class Standard:
    """Standard Webhooks 1.0, which Svix and many others speak."""

    algorithm: Final = "sha256"
    is_dated: Final = True

    def claim(self, values: Values) -> Claim | str:
        """Read the three fields."""
        found = [_only(values, name) for name in (b"webhook-id", b"webhook-timestamp")]
        offered = _only(values, b"webhook-signature")
        name, at = found
        if name is None or at is None or offered is None:
            return "webhook without its three fields, or with one of them twice"
        if not _ID.match(name) or b"." in name or not _SECONDS.match(at):
            return "webhook with a malformed id or timestamp"
        pairs = [one.partition(b",") for one in offered.split(b" ") if one]
        digests = [_of_base64(value) for version, _, value in pairs if version == b"v1"]
        signed = b"%b.%b." % (name, at)
        return _claim(signed, digests, int(at))

    def key(self, secret: bytes) -> bytes | None:
        """Decode `whsec_…`."""
        if not secret.startswith(STANDARD_PREFIX):
            return None
        return _long(_of_base64(secret[len(STANDARD_PREFIX) :]))


class GitHub:
    """GitHub, which signs the body alone: replays are known by their signature."""

    algorithm: Final = "sha256"
    is_dated: Final = False

    def claim(self, values: Values) -> Claim | str:
        """Read the one field."""
        offered = _only(values, b"x-hub-signature-256")
        if offered is None:
            return "webhook without its signature, or with two"
        if not offered.startswith(b"sha256="):
            return "webhook with a malformed signature"
        return _claim(b"", [_of_hex(offered.removeprefix(b"sha256="))], None)

    def key(self, secret: bytes) -> bytes | None:
        """Take the text as it is."""
        return _long(secret)


class Stripe:
    """Stripe, which signs its timestamp and the body."""

    algorithm: Final = "sha256"
    is_dated: Final = True

    def claim(self, values: Values) -> Claim | str:
        """Read the one field."""
        offered = _only(values, b"stripe-signature")
        if offered is None:
            return "webhook without its signature, or with two"
        pairs = [part.strip(b" ").partition(b"=") for part in offered.split(b",")]
        moments = [value for name, _, value in pairs if name == b"t"]
        if len(moments) != 1 or not _SECONDS.match(moments[0]):
            return "webhook with a malformed timestamp"
        digests = [_of_hex(value) for name, _, value in pairs if name == b"v1"]
        return _claim(moments[0] + b".", digests, int(moments[0]))

    def key(self, secret: bytes) -> bytes | None:
        """Take the text as it is, `whsec_` included."""
        return _long(secret)


@dataclass(frozen=True, slots=True)
class Hmac:
    """An HMAC as the policy describes it.

    Attributes:
        header: field of the signature, in lower case.
        algorithm: name of the hash function.
        encoding: how the digest is written.
        prefix: what stands before it in the field.
        timestamp: field of the moment in Unix seconds, which is signed before the body with a dot
            behind it; empty for none.
    """

    header: bytes
    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: bytes = b""
    timestamp: bytes = b""

    @property
    def is_dated(self) -> bool:
        """Whether the signature covers when it was sent."""
        return bool(self.timestamp)

    def claim(self, values: Values) -> Claim | str:
        """Read the field, or the two."""
        offered = _only(values, self.header)
        if offered is None or not offered.startswith(self.prefix):
            return "webhook without its signature, or with two, or with another prefix"
        decode = _of_hex if self.encoding == "hex" else _of_base64
        digests = [decode(offered[len(self.prefix) :])]
        if not self.timestamp:
            return _claim(b"", digests, None)
        at = _only(values, self.timestamp)
        if at is None or not _SECONDS.match(at):
            return "webhook with a malformed timestamp"
        return _claim(at + b".", digests, int(at))

    def key(self, secret: bytes) -> bytes | None:
        """Take the text as it is."""
        return _long(secret)


def _claim(signed: bytes, digests: Sequence[bytes | None], sent_at: int | None) -> Claim | str:
    found = tuple(one for one in digests[:SIGNATURES] if one)
    if not found:
        return "webhook with no signature that could be read"
    return Claim(signed, found, sent_at)


def _only(values: Values, name: bytes) -> bytes | None:
    """Return the value of a field that is there once; which of two counts, nobody could say."""
    found = values(name)
    return found[0] if len(found) == 1 else None


def _long(key: bytes | None) -> bytes | None:
    return key if key is not None and len(key) >= LEAST_KEY_BYTES else None


def _of_hex(text: bytes) -> bytes | None:
    return binascii.unhexlify(text) if _HEX.match(text) else None


def _of_base64(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
