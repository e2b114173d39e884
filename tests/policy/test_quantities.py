"""Durations, sizes, rates, quotas and counts, read and written."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.limits import Calendar
from sidecar.policy.schema.quantities import (
    Allowance,
    Rate,
    parse_allowance,
    parse_count,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
    write_duration,
    write_size,
)
from sidecar.policy.written import Written


def filled(text: str) -> Written:
    """Make the text of a variable that was filled in."""
    return Written.of(text, PurePath(), is_filled=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("80ms", 0.08),
        ("0s", 0.0),
        ("5s", 5.0),
        ("05s", 5.0),
        ("15m", 900.0),
        ("24h", 86400.0),
        ("90d", 7_776_000.0),
        ("3650d", 315_360_000.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0B", 0),
        ("512B", 512),
        ("64KB", 64_000),
        ("64KiB", 65_536),
        ("1MB", 1_000_000),
        ("1MiB", 1_048_576),
        ("2GB", 2_000_000_000),
        ("2GiB", 2_147_483_648),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "5",
        "5 s",
        "5S",
        "5sec",
        "-5s",
        "+5s",
        "5.0s",
        "1h30m",
        "٣s",
        "5s\n",
        5,
        5.0,
        None,
        [],
        True,
    ],
    ids=repr,
)
def test_nothing_else_is_a_duration(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_duration(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "MB",
        "1",
        "1 MB",
        "1mb",
        "1kB",
        "1M",
        "1.5MB",
        "-1MB",
        "1TB",
        "1MB\n",
        1,
        1.0,
        None,
        {},
        False,
    ],
    ids=repr,
)
def test_nothing_else_is_a_size(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_size(value)


@given(st.integers(min_value=0, max_value=3650 * 86_400_000))
def test_what_is_written_reads_as_the_same_duration(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds)


@given(st.integers(min_value=0, max_value=2**49))
def test_what_is_written_reads_as_the_same_size(size_bytes: int) -> None:
    assert parse_size(write_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "200ms"), (75.0, "75s"), (300.0, "5m"), (3600.0, "1h"), (86400.0, "1d")],
)
def test_the_largest_whole_unit_is_written(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("10/s", 10, 1.0),
        ("10/sec", 10, 1.0),
        ("5/100ms", 5, 0.1),
        ("60/min", 60, 60.0),
        ("60/m", 60, 60.0),
        ("60/60s", 60, 60.0),
        ("1000/h", 1000, 3600.0),
        ("1000/2hour", 1000, 7200.0),
        ("1/day", 1, 86400.0),
        ("999999999/31d", 999_999_999, 2_678_400.0),
    ],
)
def test_a_rate_is_units_and_a_time(text: str, amount: int, seconds: float) -> None:
    assert parse_rate(text) == Rate(amount, seconds)


@pytest.mark.parametrize(
    "value",
    [
        "", "60", "60/", "/min", "60/minute", "60 /min", "60/min\n", "-1/s", "1.5/s", "0/s", "1/0s",
        "1/32d", "1000000000/s", "٣/s", 60, 1.5, None, [], True,
    ],
    ids=repr,
)  # fmt: skip
def test_nothing_else_is_a_rate(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rate(value)


@given(st.integers(1, 999_999_999), st.integers(1, 31 * 86_400))
def test_what_is_written_reads_as_the_same_rate(amount: int, seconds: int) -> None:
    rate = Rate(amount, float(seconds))
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize("text", ["10000/day", "1000000/month"])
def test_a_quota_is_units_and_a_period_of_the_calendar(text: str) -> None:
    amount, _, period = text.partition("/")
    quota = parse_allowance(text)
    assert quota == Allowance(int(amount), Calendar(period))
    assert str(quota) == text


@pytest.mark.parametrize(
    "value", ["", "10", "10/d", "10/week", "0/day", "10/2day", "10/day\n", 10, None, True], ids=repr
)
def test_nothing_else_is_a_quota(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_allowance(value)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("0100", 100), ("1000000000", 10**9)])
def test_a_count_is_a_whole_number(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("value", ["", "0", "-1", "1.0", "1000000001", "1e3", "٣", "9\n"], ids=repr)
def test_nothing_else_is_a_count(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_count(value)


@pytest.mark.parametrize(
    ("value", "share"),
    [(0, 0.0), (1, 1.0), (0.25, 0.25), (filled("0.5"), 0.5), (filled("0.75"), 0.75)],
)
def test_a_share_is_a_number_from_nothing_to_all(value: object, share: float) -> None:
    assert parse_share(value) == share


@pytest.mark.parametrize(
    "value", [-0.1, 1.01, 2, True, None, "0.1", "half", filled("1.5"), filled("nan"), filled("1e0")]
)
def test_nothing_else_is_a_share(value: object) -> None:
    with pytest.raises(ValueError, match="no share"):
        parse_share(value)
