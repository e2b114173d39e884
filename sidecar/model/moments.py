"""Points in time as people read them."""

from datetime import UTC, datetime
from typing import Final

LAST_MOMENT: Final = 253_402_300_799
"""9999-12-31T23:59:59Z in Unix seconds: what lies behind it cannot be written (RFC 3339 §1)."""


def write_moment(moment: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC, cut to the second, and to the years from 1970 on."""
    seconds = min(max(int(moment), 0), LAST_MOMENT)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
