"""What every state store promises of blocks; a part of the suite in `contract`."""

import random

import pytest

from sidecar.model.blocks import Block, BlockKind
from sidecar.model.ports import Store
from tests.stores.rows import NEVER, a_block

RICH_BLOCK = a_block(
    "2001:db8::/32",
    until=NEVER + 0.25,
    reason='scans: "a|b" für\u2028uns',
    created_by="cli:ops",
    created_at=1_799_999_999.123456,
)
ROOM = 5
"""Blocks that a store may hold, in tests of what happens when it is full."""


class BlockContract:
    """The behaviour of a store that holds blocks."""

    async def test_blocks_are_returned_as_they_were_put_by_id(self, store: Store) -> None:
        key, tenant = a_block("id-1", BlockKind.KEY), a_block("acme", BlockKind.TENANT)
        for block in (tenant, key, RICH_BLOCK):
            assert await store.put_block(block, ROOM)
        assert await store.blocks("", 9) == [RICH_BLOCK, key, tenant]

    async def test_a_block_takes_the_place_of_the_one_before(self, store: Store) -> None:
        await store.put_block(a_block(reason="first", until=NEVER), ROOM)
        anew = a_block(reason="second")
        assert await store.put_block(anew, ROOM)
        assert await store.blocks("", 9) == [anew]

    async def test_blocks_are_listed_in_pages(self, store: Store) -> None:
        values = [f"id-{number:03}" for number in range(120)]
        for value in reversed(values):
            await store.put_block(a_block(value, BlockKind.KEY), 120)
        first = await store.blocks("", 70)
        rest = await store.blocks(first[-1].id, 70)
        assert [one.value for one in (*first, *rest)] == values
        assert await store.blocks(rest[-1].id, 70) == []

    async def test_a_block_is_lifted_once(self, store: Store) -> None:
        await store.put_block(a_block("acme", BlockKind.TENANT), ROOM)
        await store.put_block(a_block("acme", BlockKind.KEY), ROOM)
        assert await store.remove_block(BlockKind.TENANT, "acme")
        assert not await store.remove_block(BlockKind.TENANT, "acme")
        assert not await store.remove_block(BlockKind.ADDRESS, "acme")
        assert await store.blocks("", 9) == [a_block("acme", BlockKind.KEY)]

    async def test_a_block_whose_time_is_over_is_gone(self, store: Store) -> None:
        await store.put_block(a_block("id-1", BlockKind.KEY, until=1.0), ROOM)
        await store.put_block(a_block("id-2", BlockKind.KEY), ROOM)
        assert await store.blocks("", 9) == [a_block("id-2", BlockKind.KEY)]
        assert not await store.remove_block(BlockKind.KEY, "id-1")

    async def test_a_page_is_full_although_others_are_over(self, store: Store) -> None:
        for number in range(9):
            until = 1.0 if number % 3 else None
            await store.put_block(a_block(str(number), BlockKind.KEY, until=until), 9)
        assert [one.value for one in await store.blocks("", 2)] == ["0", "3"]
        assert [one.value for one in await store.blocks("key:3", 2)] == ["6"]

    async def test_a_full_store_takes_no_other_block(self, store: Store) -> None:
        for number in range(ROOM):
            assert await store.put_block(a_block(str(number), BlockKind.KEY), ROOM)
        before = await store.changes(None)
        assert not await store.put_block(a_block("more", BlockKind.KEY), ROOM)
        assert len(await store.blocks("", 9)) == ROOM
        assert (await store.changes(None)).revision == before.revision
        assert await store.put_block(a_block("3", BlockKind.KEY, reason="anew"), ROOM)
        assert await store.remove_block(BlockKind.KEY, "0")
        assert await store.put_block(a_block("more", BlockKind.KEY), ROOM)

    async def test_what_is_over_leaves_room(self, store: Store) -> None:
        for number in range(ROOM):
            await store.put_block(a_block(str(number), BlockKind.KEY, until=1.0 + number), ROOM)
        for number in range(ROOM):
            assert await store.put_block(a_block(f"new-{number}", BlockKind.KEY), ROOM)
        assert not await store.put_block(a_block("more", BlockKind.KEY), ROOM)

    @pytest.mark.parametrize("seed", range(4))
    async def test_blocks_are_those_of_a_model(self, store: Store, seed: int) -> None:
        """Memory = SQLite = Redis: each of them does what a dictionary would."""
        choose = random.Random(seed)  # noqa: S311 -- a test's course, nothing secret
        held: dict[str, Block] = {}
        for number in range(60):
            kind = choose.choice(list(BlockKind))
            block = a_block(choose.choice("abc"), kind, created_at=float(number),
                            until=choose.choice([None, None, NEVER, 1.0]))  # fmt: skip
            if choose.random() < 0.3:
                expected = held.pop(block.id, None) is not None
                assert await store.remove_block(kind, block.value) is expected
            else:
                fits = block.id in held or len(held) < ROOM
                assert await store.put_block(block, ROOM) is fits
                if fits:
                    held[block.id] = block
                if block.until == 1.0:
                    held.pop(block.id, None)
            assert await store.blocks("", 99) == [held[name] for name in sorted(held)]
