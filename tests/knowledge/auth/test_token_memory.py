"""The memory of verified tokens: what is used stays, and it never outgrows its room."""

from sidecar.knowledge.auth.jwt import Lifetime
from sidecar.knowledge.auth.token_memory import Remembered, TokenMemory
from sidecar.model.identity import KeySet, Method
from tests.builders import a_principal


def of_size(size_bytes: int = 500) -> Remembered:
    lifetime = Lifetime(0.0, 1.0, None)
    vouched_by = KeySet("i", (), 0.0)
    return Remembered(a_principal(method=Method.JWT), "i", ({},), lifetime, vouched_by, size_bytes)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_in_is_found() -> None:
    memory, one, other = TokenMemory(10), of_size(), of_size()
    assert memory.get(key(1)) is None
    memory.put(key(1), one)
    assert memory.get(key(1)) is one
    memory.put(key(1), other)
    assert memory.get(key(1)) is other
    assert len(memory) == 1


def test_it_holds_no_more_than_its_entries() -> None:
    for entries in (1, 2, 3, 10, 11):
        memory = TokenMemory(entries)
        for number in range(100):
            memory.put(key(number), of_size())
            assert memory.get(key(number)) is not None
            assert len(memory) <= entries


def test_what_is_used_stays_while_others_pass_through() -> None:
    memory, used = TokenMemory(10), of_size()
    memory.put(key(0), used)
    for number in range(1, 100):
        memory.put(key(number), of_size())
        assert memory.get(key(0)) is used
    assert memory.get(key(1)) is None


def test_large_tokens_take_the_room_of_several() -> None:
    memory = TokenMemory(100)
    for number in range(200):
        memory.put(key(number), of_size(8192))
        assert len(memory) * 8192 <= 100 * 2048
    memory.put(key(199), of_size(10))
    assert memory.get(key(199)) is not None


def test_a_token_larger_than_all_room_is_remembered_alone() -> None:
    memory = TokenMemory(1)
    memory.put(key(1), of_size(8192))
    assert memory.get(key(1)) is not None
    memory.put(key(2), of_size(8192))
    assert memory.get(key(1)) is None
