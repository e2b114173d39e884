"""The cost of a key that is not remembered, among many keys against few: asked of the store itself.

Run as `python -m bench.key_lookups FEW:STORE MANY:STORE` it prints the figures as JSON;
`bench.key_stores` runs it so, in the interpreter of the sidecar.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.keys import RING, a_key
from bench.processes import BenchError
from sidecar.adapters.stores.opening import open_store
from sidecar.model.identity import KeyDigest
from sidecar.model.ports import Store
from sidecar.policy.schema.state import State

_ROUNDS: Final = 21
_LOOKUPS: Final = 400


@dataclass(frozen=True, slots=True)
class _Keys:
    """A store and how many keys are in it."""

    store: Store
    count: int

    @classmethod
    async def of(cls, word: str) -> "_Keys":
        count, _, where = word.partition(":")
        store = open_store(State.model_validate(where), {})
        await store.open()
        return cls(store, int(count))

    async def seconds(self, chance: random.Random) -> float:
        """Time one verification by look-up, the mean over some hundred keys of all."""
        keys = [a_key(chance.randrange(self.count)).encode() for _ in range(_LOOKUPS)]
        start = time.perf_counter()
        for key in keys:
            if await self.store.find_key([KeyDigest(RING.digest(key))]) is None:
                raise BenchError("the store lost a key")
        return (time.perf_counter() - start) / _LOOKUPS


async def measure(words: tuple[str, str]) -> dict[str, float]:
    """Time look-ups in both stores in turn, and compare them round by round."""
    chance = random.Random(4711)  # noqa: S311 - the same each time
    few, many = [await _Keys.of(word) for word in words]
    try:
        await few.seconds(chance)
        await many.seconds(chance)
        pairs = [(await few.seconds(chance), await many.seconds(chance)) for _ in range(_ROUNDS)]
    finally:
        await few.store.close()
        await many.store.close()
    return {
        "few": median(pair[0] for pair in pairs) * 1e6,
        "many": median(pair[1] for pair in pairs) * 1e6,
        "ratio": median(pair[1] / pair[0] for pair in pairs),
    }


if __name__ == "__main__":
    found = asyncio.run(measure((sys.argv[1], sys.argv[2])))
    sys.stdout.write(json.dumps(found))
