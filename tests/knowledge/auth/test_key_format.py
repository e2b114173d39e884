"""What keys look like, and what only looks like one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.auth.key_format import (
    MALFORMED,
    MISTYPED,
    KeyPattern,
    KeyPatterns,
    checksum,
)
from sidecar.policy.schema.api_keys import KeyFormat

ENCODINGS = ("crockford32", "base62", "base64url", "hex")
CROCKFORD = b"sk_live_0123456789ABCDEFGHJKMNPQRS"


def a_pattern(**keys: object) -> KeyPattern:
    return KeyPattern(KeyFormat.model_validate({"prefix": "sk_live", **keys}))


def patterns(*sections: dict[str, object]) -> KeyPatterns:
    return KeyPatterns(tuple(KeyFormat.model_validate(section) for section in sections))


@pytest.mark.parametrize(
    ("encoding", "bits", "characters"),
    [
        ("crockford32", 130, 26),
        ("crockford32", 128, 26),
        ("hex", 128, 32),
        ("hex", 130, 33),
        ("base62", 128, 22),
        ("base62", 130, 22),
        ("base62", 131, 23),
        ("base64url", 128, 22),
        ("base64url", 512, 86),
        ("crockford32", 256, 52),
        ("base62", 256, 43),
        ("base64url", 256, 43),
        ("hex", 256, 64),
    ],
)
def test_a_key_has_as_many_characters_as_its_bits_need(
    encoding: str, bits: int, characters: int
) -> None:
    pattern = a_pattern(encoding=encoding, bits=bits)
    assert pattern.length == len("sk_live_") + characters
    assert len(pattern.mint(bytes(pattern.random_bytes))) == pattern.length


@pytest.mark.control("AN-1")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_randomness_is_more_than_the_characters_can_hold(encoding: str) -> None:
    pattern = a_pattern(encoding=encoding, bits=128)
    assert pattern.random_bytes * 8 >= 128 + 64
    with pytest.raises(ValueError, match="random bytes"):
        pattern.mint(bytes(pattern.random_bytes - 1))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_ends_of_the_randomness_are_the_ends_of_the_alphabet(encoding: str) -> None:
    pattern = a_pattern(encoding=encoding)
    lowest = pattern.mint(bytes(pattern.random_bytes))
    body = lowest.removeprefix(b"sk_live_")
    assert len(set(body)) == 1
    assert pattern.fault_of(lowest) == ""


def test_a_known_key_is_written_digit_by_digit() -> None:
    pattern = a_pattern(encoding="crockford32", bits=130)
    number = int.from_bytes(bytes(range(pattern.random_bytes)), "big")
    body = pattern.mint(bytes(range(pattern.random_bytes))).removeprefix(b"sk_live_")
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    value = 0
    for character in body.decode():
        value = value * 32 + digits.index(character)
    assert value == number % 2**130


def test_the_checksum_is_crc_32_in_base62() -> None:
    # The check value of CRC-32 (ISO 3309) is 0xCBF43926, 3421780262 in decimal.
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    value = 0
    for character in checksum(b"123456789").decode():
        value = value * 62 + digits.index(character)
    assert value == 0xCBF43926
    assert checksum(b"") == b"000000"


@given(
    encoding=st.sampled_from(ENCODINGS),
    bits=st.integers(128, 512),
    has_checksum=st.booleans(),
    random=st.binary(min_size=80, max_size=80),
)
def test_what_is_minted_is_well_formed(
    encoding: str, bits: int, has_checksum: bool, random: bytes
) -> None:
    section = {"prefix": "sk", "encoding": encoding, "bits": bits, "checksum": has_checksum}
    pattern = a_pattern(**section)
    key = pattern.mint(random)
    known = patterns(section)
    assert (pattern.fault_of(key), known.fault_of(key)) == ("", "")
    assert key.startswith(known.starts)
    assert known.visible_prefix(key) == key[:11].decode()


@given(
    encoding=st.sampled_from(ENCODINGS),
    random=st.binary(min_size=40, max_size=40),
    where=st.integers(0, 200),
    other=st.integers(0, 255),
)
def test_one_changed_character_breaks_a_key_with_a_checksum(
    encoding: str, random: bytes, where: int, other: int
) -> None:
    pattern = a_pattern(encoding=encoding, checksum=True, bits=128)
    key = bytearray(pattern.mint(random))
    where %= len(key)
    if key[where] == other:
        other = (other + 1) % 256
    key[where] = other
    changed = bytes(key)
    assert not changed.startswith(pattern.start) or pattern.fault_of(changed) != ""


@given(key=st.binary(max_size=200), tail=st.binary(max_size=60))
def test_no_bytes_make_it_fail(key: bytes, tail: bytes) -> None:
    known = patterns(
        {"prefix": "sk"},
        {"prefix": "sk_live", "checksum": True},
        {"prefix": "pk", "encoding": "base64url"},
    )
    for text in (key, b"sk_" + tail, b"sk_live_" + tail, b"pk_" + tail):
        assert known.fault_of(text) in {"", MALFORMED, MISTYPED}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"sk_live", id="the prefix alone"),
        pytest.param(b"sk_live_", id="no body"),
        pytest.param(CROCKFORD[:-1], id="a character short"),
        pytest.param(CROCKFORD + b"0", id="a character long"),
        pytest.param(CROCKFORD + b"0" * 100_000, id="very long"),
        pytest.param(CROCKFORD + b"\n", id="a trailing newline"),
        pytest.param(CROCKFORD[:-1] + b"\n", id="a newline in place of a character"),
        pytest.param(CROCKFORD[:-1] + b"\0", id="a NUL"),
        pytest.param(b" " + CROCKFORD[1:], id="a leading blank"),
        pytest.param(CROCKFORD[:-1] + b" ", id="a trailing blank"),
        pytest.param(CROCKFORD[:8] + CROCKFORD[8:].lower(), id="lower case"),
        pytest.param(CROCKFORD.replace(b"sk_live", b"SK_LIVE"), id="prefix in capitals"),
        pytest.param(CROCKFORD[:-1] + b"O", id="O, which looks like 0"),
        pytest.param(CROCKFORD[:-1] + b"I", id="I, which looks like 1"),
        pytest.param(CROCKFORD[:-1] + b"L", id="L, which looks like 1"),
        pytest.param(CROCKFORD[:-1] + b"U", id="U, which is in no Crockford number"),
        pytest.param(CROCKFORD[:-1] + b"-", id="a hyphen"),
        pytest.param(CROCKFORD[:-2] + "٣".encode(), id="an Arabic digit"),
        pytest.param(CROCKFORD[:-3] + "\uff10".encode(), id="a full-width digit"),
        pytest.param(CROCKFORD[:-2] + b"\xc0\xb0", id="an overlong encoding of 0"),
        pytest.param(CROCKFORD[:-3] + b"%30", id="a percent-encoded digit"),
        pytest.param(CROCKFORD.replace(b"sk_live_", b"sk_live."), id="another separator"),
        pytest.param(CROCKFORD.replace(b"sk_live_", b"sk_prod_"), id="another prefix"),
    ],
)
def test_what_is_no_key_is_malformed(key: bytes) -> None:
    known = patterns({"prefix": "sk_live"})
    assert known.fault_of(CROCKFORD) == ""
    assert known.fault_of(key) == MALFORMED
    with pytest.raises(ValueError, match="malformed"):
        known.visible_prefix(key)


@pytest.mark.parametrize(
    ("encoding", "good", "bad"),
    [
        ("hex", b"abcdef0123456789" * 2, b"ABCDEF0123456789" * 2),
        ("hex", b"0" * 32, b"0" * 31 + b"g"),
        ("base62", b"aZ09" * 5 + b"aZ", b"aZ09" * 5 + b"_-"),
        ("base64url", b"aZ09_-" * 3 + b"aZ09", b"aZ09+/" * 3 + b"aZ0="),
        ("crockford32", b"Z" * 26, b"z" * 26),
    ],
)
def test_each_encoding_has_its_own_alphabet(encoding: str, good: bytes, bad: bytes) -> None:
    known = patterns({"prefix": "sk_live", "encoding": encoding, "bits": 128})
    assert known.fault_of(b"sk_live_" + good) == ""
    assert known.fault_of(b"sk_live_" + bad) == MALFORMED


def test_a_mistyped_key_is_told_from_a_malformed_one() -> None:
    pattern = a_pattern(checksum=True)
    key = pattern.mint(bytes(range(pattern.random_bytes)))
    swapped = key[:8] + key[9:10] + key[8:9] + key[10:]
    assert pattern.fault_of(key) == ""
    assert key[8] != key[9]
    assert pattern.fault_of(swapped) == MISTYPED
    assert pattern.fault_of(key[:-1]) == MALFORMED


@pytest.mark.control("AN-7")
def test_a_key_of_the_longer_prefix_is_not_taken_for_one_of_the_shorter() -> None:
    short = {"kind": "secret", "prefix": "sk", "encoding": "base64url", "bits": 128}
    long = {"kind": "live", "prefix": "sk_live", "checksum": True}
    known = patterns(short, long)
    live = KeyPattern(KeyFormat.model_validate(long))
    key = live.mint(bytes(range(live.random_bytes)))
    assert known.fault_of(key) == ""
    assert known.visible_prefix(key) == key[:16].decode()
    assert known.fault_of(key[:-1] + (b"0" if key[-1:] != b"0" else b"1")) == MISTYPED
    assert known.fault_of(b"sk_" + b"live_" + b"a" * 17) == "", "22 characters of base64url"


def test_new_keys_of_a_kind_have_the_first_format_of_that_kind() -> None:
    known = patterns({"prefix": "sk_new"}, {"prefix": "sk"}, {"kind": "admin", "prefix": "ak"})
    chosen = known.of_kind("secret")
    assert chosen is not None
    assert chosen.start == b"sk_new_"
    assert known.of_kind("publishable") is None
    assert known.kinds() == ["secret", "admin"]


@pytest.mark.parametrize(
    ("prefix", "part"),
    [
        ("sk_live_01234567", "01234567"),
        ("sk_live_", ""),
        ("sk_0123", "0123"),
        ("sk", None),
        ("pk_0123", None),
        ("", None),
    ],
)
def test_a_visible_prefix_shows_what_stands_behind_the_longest_start(
    prefix: str, part: str | None
) -> None:
    assert patterns({"prefix": "sk"}, {"prefix": "sk_live"}).visible_part(prefix) == part
