"""A relay in a process of its own: `python -m tests.timing.relay PORT DIGEST=SECONDS …`.

It holds answers back by what was asked for; the first line that it prints is its port.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.stores.delays import delaying


async def main(server: int, slow: Mapping[bytes, float], others: float) -> None:
    """Relay until stdin ends."""
    async with delaying(server) as delays:
        delays.seconds_of = lambda request: next(
            (at for digest, at in slow.items() if digest in request), others
        )
        sys.stdout.write(f"{delays.port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def relaying(server: int, slow: Mapping[bytes, float], others: float) -> AsyncIterator[int]:
    """Run the relay until the block ends.

    Args:
        server: port of the server.
        slow: by digest, seconds that the answer to its look-up is held back.
        others: seconds for every other answer.
    """
    words = [f"{digest.hex()}={seconds}" for digest, seconds in slow.items()]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.timing.relay", str(server), str(others), *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield int(await child.stdout.readline())
    finally:
        child.stdin.close()
        await child.wait()


if __name__ == "__main__":
    pairs = (word.split("=") for word in sys.argv[3:])
    asyncio.run(
        main(
            int(sys.argv[1]),
            {bytes.fromhex(digest): float(seconds) for digest, seconds in pairs},
            float(sys.argv[2]),
        )
    )
