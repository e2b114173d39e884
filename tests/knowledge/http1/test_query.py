"""A query is read as forms write it, and a parameter is known in every spelling."""

from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.http1.query import (
    Parameter,
    UndecodableError,
    decoded,
    pairs,
    values_of,
    without,
)

TEXT = st.text(st.characters(codec="utf-8"))
NAMES = st.text(st.characters(codec="utf-8", min_codepoint=0xA0) | st.sampled_from("az09&=;+ []"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", [("", b"")]),
        (b"a=1&b=2", [("a", b"1"), ("b", b"2")]),
        (b"a&a=&=", [("a", b""), ("a", b""), ("", b"")]),
        (b"a=b=c", [("a", b"b=c")]),
        (b"%61+b=%zz", [("a b", b"%zz")]),
        (b"a=1;b=2", [("a", b"1;b=2"), ("a", b"1"), ("b", b"2")]),
        (b"%C3%A9=1", [("é", b"1")]),
        (b"\xc3\xa9=1", [("é", b"1")]),
    ],
)
def test_a_query_is_split_in_every_way(query: bytes, found: list[tuple[str, bytes]]) -> None:
    assert pairs(query) == found


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"abc", "abc"), (b"", ""), (b"a+b", "a b"), (b"%2B%25", "+%"), (b"%0a", "\n")],
)
def test_a_value_is_decoded_once(raw: bytes, text: str) -> None:
    assert decoded(raw) == text


@pytest.mark.parametrize(
    "query",
    [
        b"%", b"%1", b"%g1=1", b"a%", b"%ff", b"\xff", b"%c0%af", b"%ed%a0%80", b"%00", b"a%0d",
        b"%7f", b"%C2%85", b"%2561", b"a;%",
    ],
)  # fmt: skip
def test_a_name_with_two_readings_is_refused(query: bytes) -> None:
    with pytest.raises(UndecodableError):
        pairs(query)


@pytest.mark.parametrize("raw", [b"%", b"a%zz", b"%ff", b"%c1%a1"])
def test_a_value_that_cannot_be_decoded_is_refused(raw: bytes) -> None:
    with pytest.raises(UndecodableError):
        decoded(raw)


@pytest.mark.parametrize(
    ("name", "spelling", "is_spelt"),
    [
        ("db_id", "db_id", True),
        ("db_id", "DB_ID", True),
        ("db_id", "  db_id", True),
        ("db_id", "db.id", True),
        ("db_id", "db id", True),
        ("db_id", "db[id", True),
        ("db_id", "db_id[]", True),
        ("db_id", "db_id[0][x]", True),
        ("db_id", "db_id.x", True),
        ("filter[db]", "filter[db]", True),
        ("filter[db]", "filter[db][0]", True),
        ("db_id", "[db_id]", True),
        ("db_id", "[db_id][0]", True),
        ("db_id", "[[db_id]]", True),
        ("db_id", "]DB_ID", True),
        ("db_id", ".db_id", True),
        ("db_id", "!db_id", True),
        ("db_id", "!db_id.x", True),
        ("filter[db]", "[filter][db]", True),
        ("db_id", "[x]db_id", False),
        ("db_id", "[x][db_id]", False),
        ("db_id", "!", False),
        ("db_id", "db_id2", False),
        ("db_id", "my_db_id", False),
        ("db_id", "dbid", False),
        ("db", "db_id", False),
        ("db_id", "", False),
        ("filter[db]", "filter[da]", False),
    ],
)
def test_a_parameter_is_known_in_every_spelling(
    name: str, spelling: str, *, is_spelt: bool
) -> None:
    assert Parameter.of(name).is_spelt(spelling) is is_spelt


@given(st.dictionaries(NAMES, TEXT))
def test_what_a_form_writes_is_what_is_read(fields: dict[str, str]) -> None:
    query = urlencode(fields, quote_via=quote_plus).encode()
    read = {name: decoded(value) for name, value in pairs(query)}
    assert read == (fields or {"": ""})


@given(st.binary(max_size=64))
def test_any_query_is_read_or_refused(query: bytes) -> None:
    try:
        names = [name for name, _ in pairs(query)]
    except UndecodableError:
        return
    assert names
    assert not any("%" in name for name in names)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", []),
        (b"org=a", [b"a"]),
        (b"org=a&x=1&org=b", [b"a", b"b"]),
        (b"org", [b""]),
        (b"%6frg=a%20b+c", [b"a b c"]),
        (b"org=a=b", [b"a=b"]),
        (b"Org=a", []),
        (b"org=%zz", [b"%zz"]),
        (b"x=1;org=a", [b"a"]),
        (b"org=a;x=1", [b"a;x=1", b"a"]),
    ],
)
def test_every_value_of_a_name_is_found_decoded(query: bytes, values: list[bytes]) -> None:
    assert values_of(query, b"org") == values


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"key=1", b""),
        (b"a=%41&key=1&b", b"a=%41&b"),
        (b"k%65y=1&a=1&key", b"a=1"),
        (b"keys=1", b"keys=1"),
        (b"a=1;key=1;b=2&c=3", b"a=1;b=2&c=3"),
        (b"key=1;b=2&c=3;d", b"c=3;d"),
    ],
)
def test_what_is_left_stays_byte_for_byte(query: bytes, left: bytes) -> None:
    assert without(query, b"key") == left
