"""Durations and sizes, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policy.schema.quantities import (
    parse_duration,
    parse_size,
    write_duration,
    write_size,
)


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
