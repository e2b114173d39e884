"""Blocks as values, and what is known of them before anything was read."""

import pytest

from sidecar.model.blocks import (
    Block,
    BlockKind,
    NoBlocksKnown,
    client_address,
    client_network,
    network_text,
)
from sidecar.model.moments import write_moment


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:DB8:0:0::1/128", "2001:db8::1"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:0:0/95", None),
        ("::/0", "::/0"),
        ("fe80::1%eth0", None),
        ("203.0.113.7/24", None),
        ("203.0.113", None),
        ("", None),
    ],
)
def test_a_network_has_one_spelling(text: str, written: str | None) -> None:
    if written is None:
        with pytest.raises(ValueError, match=r"."):
            client_network(text)
    else:
        assert network_text(client_network(text)) == written


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", None),
        ("unix", None),
    ],
)
def test_a_client_has_one_address_or_none(text: str, address: str | None) -> None:
    found = client_address(text)
    assert (None if found is None else str(found)) == address


def test_a_block_is_named_by_its_kind_and_value() -> None:
    assert Block(BlockKind.ADDRESS, "2001:db8::/32").id == "address:2001:db8::/32"
    assert Block(BlockKind.KEY, "a", reason="x").id == Block(BlockKind.KEY, "a").id


@pytest.mark.parametrize(
    ("until", "is_over"), [(None, False), (9.99, True), (10.0, True), (10.01, False)]
)
def test_a_block_is_over_from_its_moment_on(until: float | None, *, is_over: bool) -> None:
    assert Block(BlockKind.KEY, "a", until).is_over(10.0) is is_over


def test_before_anything_was_read_nobody_may_be_admitted() -> None:
    known = NoBlocksKnown()
    assert not known.is_current()
    assert (known.address("", 1.0), known.key("", 1.0), known.tenant("", 1.0)) == (None, None, None)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (1_800_000_000.9, "2027-01-15T08:00:00Z"),
        (-1.0, "1970-01-01T00:00:00Z"),
        (1e300, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_moment_is_written_to_the_second_within_the_years_that_can_be(
    moment: float, text: str
) -> None:
    assert write_moment(moment) == text
