"""Numbers, flags, durations and sizes of the policy."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from sidecar.model.limits import Calendar
from sidecar.policy.schema.words import (
    BeforeValidator,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from sidecar.policy.written import Written, misfit, text_of

_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)\Z")
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"([0-9]{1,15})(B|KB|MB|GB|KiB|MiB|GiB)\Z")
_SIZE_UNITS: Final = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_RATE: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,10})?(ms|sec|s|min|m|hour|h|day|d)\Z")
_RATE_UNITS: Final = {**_DURATION_UNITS, "sec": 1.0, "min": 60.0, "hour": 3600.0, "day": 86400.0}
_MAX_WINDOW_SECONDS: Final = 31 * 86400.0
_ALLOWANCE: Final = re.compile(r"([0-9]{1,9})/(day|month)\Z")
_INTEGER: Final = re.compile(r"[0-9]{1,18}\Z")
_SHARE: Final = re.compile(r"[0-9](\.[0-9]{1,18})?\Z")
_FLAGS: Final = {"true": True, "false": False}

# Beyond these a number is a slip of the pen, and timers and counters of the system overflow.
_MAX_SECONDS: Final = 3650 * 86400.0
_MAX_BYTES: Final = 2**50
_MAX_COUNT: Final = 10**9

VARIABLE_PATTERN: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
DURATION_HINT: Final = "a whole number and a unit: 80ms, 5s, 15m, 24h or 90d"
RATE_HINT: Final = "units and a time: 10/s, 60/min, 60/60s or 1000/h"
QUOTA_HINT: Final = "units and a period: 10000/day or 1000000/month, in UTC"
SIZE_HINT: Final = "a whole number and a unit: 512B, 64KB, 1MB or 1MiB"


def parse_duration(value: object) -> float:
    """Read a duration such as `80ms` or `15m`.

    Returns:
        Seconds, 0 to ten years.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise misfit("has no unit", DURATION_HINT)
    found = _DURATION.match(text_of(value, "30s"))
    if found is None:
        raise misfit("is not a duration", DURATION_HINT)
    seconds = int(found[1]) * _DURATION_UNITS[found[2]]
    if seconds > _MAX_SECONDS:
        raise misfit("is longer than ten years", DURATION_HINT)
    return seconds


def parse_size(value: object) -> int:
    """Read a size such as `1MB` (10^6) or `1MiB` (2^20).

    Returns:
        Bytes, 0 to 2^50.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise misfit("has no unit", SIZE_HINT)
    found = _SIZE.match(text_of(value, "1MB"))
    if found is None:
        raise misfit("is not a size", SIZE_HINT)
    size_bytes = int(found[1]) * _SIZE_UNITS[found[2]]
    if size_bytes > _MAX_BYTES:
        raise misfit("is larger than a pebibyte", SIZE_HINT)
    return size_bytes


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units in a time.

    Attributes:
        amount: units.
        seconds: the time.
    """

    amount: int
    seconds: float

    def exceeds(self, most: "Rate") -> bool:
        """Whether it is faster than another or, over a longer time, admits more at once."""
        is_faster = self.amount * most.seconds > most.amount * self.seconds
        return is_faster or self.amount > most.amount

    def __str__(self) -> str:
        """Read as the policy may write it."""
        return f"{self.amount}/{write_duration(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many units in each period of the calendar.

    Attributes:
        amount: units.
        period: the period.
    """

    amount: int
    period: Calendar

    def __str__(self) -> str:
        """Read as the policy writes it."""
        return f"{self.amount}/{self.period}"


def parse_rate(value: object) -> Rate:
    """Read a rate such as `10/min`, `60/60s` or `1000/h`.

    Returns:
        The rate: 1 to a billion units, in a millisecond to 31 days.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise misfit("has no time", RATE_HINT)
    found = _RATE.match(text_of(value, "60/min"))
    if found is None:
        raise misfit("is no rate", RATE_HINT)
    seconds = int(found[2] or 1) * _RATE_UNITS[found[3]]
    if not int(found[1]) or not seconds:
        raise misfit("admits nothing, or for no time", RATE_HINT)
    if seconds > _MAX_WINDOW_SECONDS:
        raise misfit("counts over more than 31 days", "quota: 100000/month, or a shorter time")
    return Rate(int(found[1]), seconds)


def parse_count(value: object) -> int:
    """Read a whole number from 1 to a billion, written as text."""
    text = text_of(value, "100")
    if not _INTEGER.match(text) or not 1 <= int(text) <= _MAX_COUNT:
        raise misfit("is no number from 1 to a billion", "a whole number such as 100")
    return int(text)


def parse_share(value: object) -> float:
    """Read a share of all, 0 to 1, as a number or a variable's text."""
    if isinstance(value, Written) and value.is_filled and _SHARE.match(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise misfit("is no share of all", "a number from 0 to 1: 0.1 is a tenth")
    return float(value)


def parse_allowance(value: object) -> Allowance:
    """Read an allowance such as `10000/day` or `1000000/month`.

    Returns:
        The allowance: 1 to a billion units.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise misfit("has no period", QUOTA_HINT)
    found = _ALLOWANCE.match(text_of(value, "10000/day"))
    if found is None:
        raise misfit("is no quota of the calendar", QUOTA_HINT)
    if not int(found[1]):
        raise misfit("admits nothing", QUOTA_HINT)
    return Allowance(int(found[1]), Calendar(found[2]))


def write_duration(seconds: float) -> str:
    """Write a duration in the largest unit that leaves a whole number."""
    if not seconds:
        return "0s"
    milliseconds = round(seconds * 1000)
    units = {unit: round(length * 1000) for unit, length in _DURATION_UNITS.items()}
    unit = max((u for u in units if milliseconds % units[u] == 0), key=units.__getitem__)
    return f"{milliseconds // units[unit]}{unit}"


def write_size(size_bytes: int) -> str:
    """Write a size in the largest unit that leaves a whole number."""
    unit = max(
        (u for u in _SIZE_UNITS if size_bytes % _SIZE_UNITS[u] == 0), key=_SIZE_UNITS.__getitem__
    )
    return f"{size_bytes // _SIZE_UNITS[unit]}{unit}"


def _positive_duration(value: object) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise misfit("is no time at all", "a duration above 0, such as 30s")
    return seconds


def _positive_size(value: object) -> int:
    size_bytes = parse_size(value)
    if size_bytes == 0:
        raise misfit("leaves no room for anything", "a size above 0, such as 8KiB")
    return size_bytes


def _filled_number(value: object) -> object:
    if isinstance(value, Written) and value.is_filled and _INTEGER.match(value):
        return int(value)
    return value


def _filled_flag(value: object) -> object:
    if isinstance(value, Written) and value.is_filled:
        return _FLAGS.get(value, value)
    return value


def _or_variable(schema: dict[str, object]) -> dict[str, object]:
    variable = {"type": "string", "pattern": f"^{VARIABLE_PATTERN}$"}
    return {"anyOf": [schema, variable]}


DURATION_SCHEMA: Final = WithJsonSchema(
    {
        "type": "string",
        "pattern": rf"^([0-9]{{1,12}}(ms|s|m|h|d)|.*{VARIABLE_PATTERN}.*)$",
        "examples": ["80ms", "5s", "15m", "24h", "90d"],
    }
)
_SIZE_SCHEMA: Final = WithJsonSchema(
    {
        "type": "string",
        "pattern": rf"^([0-9]{{1,15}}(B|KB|MB|GB|KiB|MiB|GiB)|.*{VARIABLE_PATTERN}.*)$",
        "examples": ["512B", "64KB", "1MB", "1MiB"],
    }
)

Duration = Annotated[float, PlainValidator(parse_duration), DURATION_SCHEMA]
PositiveDuration = Annotated[float, PlainValidator(_positive_duration), DURATION_SCHEMA]
Size = Annotated[int, PlainValidator(parse_size), _SIZE_SCHEMA]
PositiveSize = Annotated[int, PlainValidator(_positive_size), _SIZE_SCHEMA]

Flag = Annotated[
    bool,
    Strict(),
    BeforeValidator(_filled_flag),
    WithJsonSchema(_or_variable({"type": "boolean"})),
]
Count = Annotated[
    int,
    Field(ge=1, le=1_000_000),
    Strict(),
    BeforeValidator(_filled_number),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 1, "maximum": 1_000_000})),
]
Workers = Annotated[
    int,
    Field(ge=1, le=64),
    Strict(),
    BeforeValidator(_filled_number),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 1, "maximum": 64})),
]
TenantCount = Annotated[
    int,
    Field(ge=1, le=10_000),
    Strict(),
    BeforeValidator(_filled_number),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 1, "maximum": 10_000})),
]
Sample = Annotated[
    int,
    Field(ge=0, le=1_000_000),
    Strict(),
    BeforeValidator(_filled_number),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 0, "maximum": 1_000_000})),
]
"""One in so many; 0 for none."""
ByteRate = Annotated[
    int,
    Field(ge=0, le=1_000_000_000),
    Strict(),
    BeforeValidator(_filled_number),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 0, "maximum": 1_000_000_000})),
]
Share = Annotated[
    float,
    PlainValidator(parse_share),
    WithJsonSchema(_or_variable({"type": "number", "minimum": 0, "maximum": 1})),
]
RateText = Annotated[
    Rate,
    PlainValidator(parse_rate),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^([0-9]+/[0-9]*(ms|sec|s|min|m|hour|h|day|d)|.*{VARIABLE_PATTERN}.*)$",
            "examples": ["10/s", "60/min", "60/60s", "1000/h"],
        }
    ),
]
AllowanceText = Annotated[
    Allowance,
    PlainValidator(parse_allowance),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^([0-9]+/(day|month)|.*{VARIABLE_PATTERN}.*)$",
            "examples": ["10000/day", "1000000/month"],
        }
    ),
]
