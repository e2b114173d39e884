"""API keys under measurement: key number n, and its record, in as many as are wanted."""

import time
from typing import Final

from sidecar.knowledge.auth.digest import DigestRing
from sidecar.model.identity import KeyId, KeyRecord, TenantId
from sidecar.model.secret import Secret

PEPPER: Final = b"a pepper of thirty-two characters"
RING: Final = DigestRing([Secret(PEPPER)])
FEW: Final = 1_000
MANY: Final = 1_000_000
_DIGITS: Final = 26


def a_key(number: int) -> str:
    """Spell a key: 26 characters of Crockford's alphabet, of which digits are a part."""
    return f"sk_{number:0{_DIGITS}d}"


def a_record(number: int, subject: str, tenant: str, *roles: str) -> KeyRecord:
    """Make the record of a key.

    Args:
        number: which key.
        subject: who it is.
        tenant: whose it is.
        roles: roles in the tenant.
    """
    key = a_key(number)
    return KeyRecord(
        id=KeyId(f"key-{number:08d}"),
        digest=RING.digest(key.encode()),
        pepper=RING.newest,
        prefix=key[:11],
        tenant=TenantId(tenant),
        subject=subject,
        roles=roles,
        scopes=("orders:read", "orders:write"),
        created_at=time.time(),
    )
