import pytest

from sidecar.knowledge.auth.query import values_of, without


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
    ],
)
def test_what_is_left_stays_byte_for_byte(query: bytes, left: bytes) -> None:
    assert without(query, b"key") == left
