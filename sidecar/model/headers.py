"""Names of header fields that no spelling can fool (TN-1), and values that are lists."""

from collections.abc import Iterable
from typing import Final

# CGI, WSGI, PHP and Apache turn every byte of a field name that is neither letter nor digit into
# `_`, so `X_Tenant_Id`, `X.Tenant.Id` and `X-Tenant-Id` are one name to the service behind us.
_SPELLING: Final = bytes(
    byte if chr(byte).isascii() and chr(byte).isalnum() else ord("-") for byte in range(256)
)


def canonical(name: bytes) -> bytes:
    """Reduce a field name to the form that all of its spellings share.

    Args:
        name: field name as received.

    Returns:
        The name in lower case with every byte other than a letter or digit turned into `-`.

    Controls: TN-1.
    """
    return name.lower().translate(_SPELLING)


def list_members(values: Iterable[bytes]) -> list[bytes]:
    """Split comma-separated field values into their members.

    Empty members are dropped, as RFC 9110 §5.6.1.2 asks of recipients. Quoted strings are not
    understood: use it for lists of tokens and addresses only.
    """
    joined = b",".join(values)
    return [member for part in joined.split(b",") if (member := part.strip(b" \t"))]
