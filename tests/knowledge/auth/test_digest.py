"""What is stored of a key, under which pepper."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.auth.digest import PLAIN, DigestRing, Pepper, read_digest
from sidecar.model.secret import Secret

KEY = b"sk_live_0123456789ABCDEFGHJKMNPQRS"
OLD, NEW = Secret(b"old pepper"), Secret(b"new pepper")


def a_name(pepper: bytes) -> str:
    return hmac.digest(pepper, b"sidecar pepper name", "sha256").hex()[:8]


@pytest.mark.control("AN-3")
@given(pepper=st.binary(min_size=1, max_size=200), key=st.binary(max_size=200))
def test_a_peppered_digest_is_hmac_sha_256(pepper: bytes, key: bytes) -> None:
    assert Pepper(Secret(pepper)).digest(key) == hmac.digest(pepper, key, "sha256")


def test_hmac_sha_256_is_that_of_rfc_4231() -> None:
    # RFC 4231 §4.2 and §4.7, the latter with a key longer than a block.
    assert Pepper(Secret(b"\x0b" * 20)).digest(b"Hi There").hex() == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    text = b"Test Using Larger Than Block-Size Key - Hash Key First"
    assert Pepper(Secret(b"\xaa" * 131)).digest(text).hex() == (
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    )


@pytest.mark.control("AN-2")
def test_without_a_pepper_the_digest_is_sha_256() -> None:
    ring = DigestRing(())
    plain = hashlib.sha256(KEY).digest()
    assert (ring.newest, ring.digest(KEY), ring.digests(KEY)) == (PLAIN, plain, (plain,))


@pytest.mark.control("AN-3")
def test_the_newest_pepper_makes_new_digests_and_the_older_ones_still_count() -> None:
    ring = DigestRing((NEW, OLD))
    under_new = hmac.digest(b"new pepper", KEY, "sha256")
    under_old = hmac.digest(b"old pepper", KEY, "sha256")
    plain = hashlib.sha256(KEY).digest()
    assert ring.newest == a_name(b"new pepper")
    assert ring.digest(KEY) == under_new
    assert ring.digests(KEY) == (under_new, under_old, plain)
    assert ring.digest_under(ring.newest, KEY) == under_new
    assert ring.digest_under(a_name(b"old pepper"), KEY) == under_old
    assert ring.digest_under(PLAIN, KEY) == plain


@pytest.mark.control("AN-3")
def test_a_pepper_that_was_taken_out_counts_no_more() -> None:
    ring = DigestRing((NEW,))
    gone = a_name(b"old pepper")
    assert ring.digest_under(gone, KEY) is None
    assert [ring.knows(name) for name in (gone, ring.newest, PLAIN)] == [False, True, True]


def test_a_pepper_shows_itself_nowhere() -> None:
    pepper = Pepper(OLD)
    ring = DigestRing((OLD,))
    for shown in (repr(pepper), repr(ring), pepper.name):
        assert "old pepper" not in shown
    assert len(pepper.name) == 8


@pytest.mark.parametrize(
    ("text", "is_digest"),
    [
        ("ab" * 32, True),
        ("AB" * 32, True),
        ("ab" * 31, False),
        ("ab" * 33, False),
        ("ab" * 32 + "\n", False),
        ("ag" * 32, False),
        ("٣٣" * 32, False),
        ("", False),
    ],
)
def test_a_digest_is_read_in_hexadecimal(text: str, is_digest: bool) -> None:
    found = read_digest(text)
    assert found == (bytes([0xAB]) * 32 if is_digest else None)
