"""Ids of requests and spans, and nonces."""

import os
import re
from base64 import b64decode, b64encode
from uuid import UUID

from sidecar.adapters.ids import RandomNonces, RandomSpanIds, UuidV7
from tests.conftest import ManualClock


def test_an_id_is_a_uuid_of_version_seven_in_canonical_text(clock: ManualClock) -> None:
    make = UuidV7(clock, os.urandom)
    for text in {make().decode() for _ in range(1000)}:
        uuid = UUID(text)
        assert (uuid.version, str(uuid)) == (7, text)
        assert uuid.variant == "specified in RFC 4122"


def test_an_id_tells_the_millisecond_at_which_it_was_made(clock: ManualClock) -> None:
    clock.now = 1_800_000_000.123
    made = UUID(UuidV7(clock, os.urandom)().decode())
    assert made.int >> 80 == 1_800_000_000_123


def test_ids_sort_by_the_millisecond(clock: ManualClock) -> None:
    make = UuidV7(clock, os.urandom)
    made = []
    for _ in range(2000):
        made.append(make())
        clock.advance(0.0011)
    assert made == sorted(made)


def test_ids_do_not_repeat_within_a_millisecond(clock: ManualClock) -> None:
    make = UuidV7(clock, os.urandom)
    assert len({make() for _ in range(10_000)}) == 10_000


def test_all_74_random_bits_of_an_id_come_from_the_source(clock: ManualClock) -> None:
    ones = UUID(UuidV7(clock, lambda size: b"\xff" * size)().decode()).int
    zeros = UUID(UuidV7(clock, lambda size: b"\0" * size)().decode()).int
    assert (ones ^ zeros).bit_count() == 74


def test_randomness_is_read_in_blocks(clock: ManualClock) -> None:
    reads: list[int] = []

    def urandom(size: int) -> bytes:
        reads.append(size)
        return os.urandom(size)

    make = UuidV7(clock, urandom)
    assert reads == []
    for _ in range(257):
        make()
    assert reads == [2560, 2560]


def test_a_nonce_is_128_bits_of_the_source_and_never_the_same() -> None:
    make = RandomNonces(os.urandom)
    made = [make() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {len(b64decode(nonce, validate=True)) for nonce in made} == {16}
    assert RandomNonces(lambda size: b"\xff" * size)() == b64encode(b"\xff" * 16)


def test_ids_of_spans_are_hexadecimal_and_differ() -> None:
    new_id = RandomSpanIds(os.urandom)
    made = [new_id() for _ in range(600)]
    assert len(set(made)) == 600
    assert all(re.fullmatch(rb"[0-9a-f]{16}", one) for one in made)


def test_no_id_of_a_span_is_all_zero() -> None:
    blocks = iter([bytes(2048), bytes(2040) + b"\x01" + bytes(7)])
    assert RandomSpanIds(lambda _: next(blocks))() == b"0100000000000000"
