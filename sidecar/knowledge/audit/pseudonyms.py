"""Pseudonyms of addresses and e-mail addresses: who holds the key can tell, nobody else.

A pseudonym is a kind, `ip` or `mail`, a dash, and the first 24 hexadecimal digits (96 bits) of

    HMAC-SHA-256(key, kind + NUL + text)

with `text` in UTF-8; an e-mail address in lower case, since its domain has no case and hardly a
mailbox does. The same person has the same pseudonym as long as the key stays, in every record, so
that a trail can still be searched. All addresses of IPv4 can be tried in a minute by whoever has
the key: it is a pseudonym and not anonymous (GDPR article 4 (5)), and without the key it is both.
"""

import hmac
import re
from typing import Final

from sidecar.model.secret import Secret

DIGITS: Final = 24
_EMAIL: Final = re.compile(r"[^@\s]{1,320}@[^@\s]{1,255}\Z")


def is_email(text: str) -> bool:
    """Whether a subject looks like an e-mail address."""
    return _EMAIL.match(text) is not None


def pseudonym(key: Secret, kind: str, text: str) -> str:
    """Make the pseudonym of a text.

    Args:
        key: the secret.
        kind: `ip` or `mail`.
        text: what is not to be told.
    """
    digest = hmac.digest(key.reveal(), f"{kind}\0{text}".encode(errors="replace"), "sha256")
    return f"{kind}-{digest.hex()[:DIGITS]}"


def address_pseudonym(key: Secret, address: str) -> str:
    """Make the pseudonym of an IP address."""
    return pseudonym(key, "ip", address)


def email_pseudonym(key: Secret, address: str) -> str:
    """Make the pseudonym of an e-mail address."""
    return pseudonym(key, "mail", address.lower())
