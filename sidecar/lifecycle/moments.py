"""Points in time as operators write them: a date, a time of day, or a span from now."""

import re
from datetime import UTC, datetime
from typing import Final

from pydantic_core import PydanticCustomError

from sidecar.lifecycle.errors import BadValueError
from sidecar.model.moments import LAST_MOMENT
from sidecar.policy.schema.quantities import parse_duration

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_HINT: Final = "90d, 2027-01-31 or 2027-01-31T12:00:00Z"


def read_moment(name: str, text: str, now: float) -> float:
    """Read a point in time.

    Args:
        name: what it is for, for the message.
        text: a span from now such as `90d`, a date (its beginning in UTC), or RFC 3339.
        now: Unix seconds.

    Returns:
        Unix seconds.

    Raises:
        BadValueError: it is none of these.
    """
    try:
        return now + parse_duration(text)
    except PydanticCustomError:
        return _read_date(name, text)


def read_expiry(name: str, text: str, now: float) -> float:
    """Read a point in time that must lie ahead."""
    moment = read_moment(name, text, now)
    if moment <= now:
        raise BadValueError(f"{name} is past", _HINT)
    return moment


def read_past(name: str, text: str, now: float) -> float:
    """Read a point in time behind us: a span back from now, a date, or RFC 3339.

    Raises:
        BadValueError: it is none of these.
    """
    try:
        return max(now - parse_duration(text), 0.0)
    except PydanticCustomError:
        return _read_date(name, text)


def _read_date(name: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValueError(f"{name} is no point in time", _HINT) from error
    if _DATE.match(text):
        moment = moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise BadValueError(f"{name} has no time zone", _HINT)
    seconds = moment.timestamp()
    if not 0 <= seconds <= LAST_MOMENT:
        raise BadValueError(f"{name} is out of range", _HINT)
    return seconds
