"""What is sealed opens with its key and at its place, and nowhere else."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.vault.box import Box, Place, SealedError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.secret import Secret

OLD = Secret(b"\x01" * 32)
NEW = Secret(b"\x02" * 32)
VALUE = Secret(b"Bearer hunter2-hunter2")
PLACE = Place("secret", "acme", "token")


def counted() -> Callable[[int], bytes]:
    """Make a source of bytes that never repeat."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def a_box(*ring: Secret) -> Box:
    return Box(ring or (OLD,), counted())


@pytest.mark.control("SE-1")
def test_a_sealed_value_opens_and_is_not_to_be_read() -> None:
    sealed = a_box().seal(PLACE, VALUE)
    assert a_box().open(PLACE, sealed).reveal() == VALUE.reveal()
    assert b"hunter2" not in sealed
    assert b"token" not in sealed


def test_the_envelope_is_version_key_nonce_and_ciphertext() -> None:
    sealed = a_box().seal(PLACE, VALUE)
    assert sealed[:1] == b"\x01"
    assert sealed[1:9] == bytes.fromhex("9d9df306cdddcbfa")
    assert sealed[9:21] == (1).to_bytes(12, "big")
    assert len(sealed) == 21 + len(VALUE.reveal()) + 16


def test_the_same_value_is_never_sealed_alike() -> None:
    box = a_box()
    assert box.seal(PLACE, VALUE) != box.seal(PLACE, VALUE)


@pytest.mark.control("SE-1")
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(Place("secret", "globex", "token"), id="another tenant"),
        pytest.param(Place("secret", "", "token"), id="the installation"),
        pytest.param(Place("secret", "acme", "other"), id="another name"),
        pytest.param(Place("webhook", "acme", "token"), id="another kind"),
        pytest.param(Place("secret", "acm", "etoken"), id="a letter moved"),
    ],
)
def test_a_sealed_value_opens_at_its_place_alone(place: Place) -> None:
    sealed = a_box().seal(PLACE, VALUE)
    with pytest.raises(SealedError, match="damaged, or was sealed for another place"):
        a_box().open(place, sealed)


@given(st.data())
def test_one_changed_bit_keeps_it_shut(data: st.DataObject) -> None:
    sealed = bytearray(a_box().seal(PLACE, VALUE))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealedError):
        a_box().open(PLACE, bytes(sealed))


@given(st.binary(max_size=80))
def test_no_bytes_do_more_than_stay_shut(sealed: bytes) -> None:
    with pytest.raises(SealedError):
        a_box().open(PLACE, sealed)


@pytest.mark.parametrize("length", [0, 1, 8, 9, 20, 36])
def test_what_is_cut_short_is_told(length: int) -> None:
    sealed = a_box().seal(PLACE, VALUE)[:length]
    with pytest.raises(SealedError, match="not sealed by this version"):
        a_box().open(PLACE, sealed)


def test_an_older_key_of_the_ring_still_opens_and_the_newest_seals() -> None:
    sealed = a_box(OLD).seal(PLACE, VALUE)
    ring = a_box(NEW, OLD)
    assert ring.open(PLACE, sealed).reveal() == VALUE.reveal()
    assert a_box(NEW).open(PLACE, ring.seal(PLACE, VALUE)).reveal() == VALUE.reveal()


def test_a_key_that_left_the_ring_is_told() -> None:
    sealed = a_box(OLD).seal(PLACE, VALUE)
    with pytest.raises(SealedError) as caught:
        a_box(NEW).open(PLACE, sealed)
    expected = "the secret token of acme is sealed under a key that is not in secrets.master_key"
    assert caught.value.reason == expected


def test_a_value_is_sealed_anew_once_after_a_rotation() -> None:
    sealed = a_box(OLD).seal(PLACE, VALUE)
    moved = a_box(NEW, OLD).reseal(PLACE, sealed)
    assert moved is not None
    assert a_box(NEW).open(PLACE, moved).reveal() == VALUE.reveal()
    assert a_box(NEW, OLD).reseal(PLACE, moved) is None


def test_what_cannot_be_opened_is_not_sealed_anew() -> None:
    with pytest.raises(SealedError):
        a_box(NEW, OLD).reseal(PLACE, a_box(OLD).seal(Place("secret", "", "token"), VALUE))


def test_what_stays_shut_is_a_store_that_cannot_answer() -> None:
    assert issubclass(SealedError, StoreUnavailableError)


@pytest.mark.parametrize("ring", [(), (Secret(b"short"),), (OLD, Secret(b"\x01" * 33))])
def test_a_box_without_whole_keys_is_not_built(ring: tuple[Secret, ...]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Box(ring, counted())


def test_no_error_and_no_name_shows_a_value() -> None:
    sealed = a_box().seal(PLACE, VALUE)
    with pytest.raises(SealedError) as caught:
        a_box().open(Place("secret", "", "token"), sealed)
    assert "of the installation" in str(caught.value)
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in repr(a_box())
