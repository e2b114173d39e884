"""The script of limits on a real server whose clock is moved, and the memory on the same clock."""

from collections.abc import Iterator, Sequence
from typing import Final

import redis

from sidecar.adapters.limits.leases import Leases
from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.limits.redis import word_of
from sidecar.adapters.limits.slots import LIFE
from sidecar.adapters.stores.redis.scripts import read_scripts
from sidecar.model.limits import SECOND, Charge, Count
from tests.adapters.limits.charges import MOMENT
from tests.ports import HOST
from tests.stores.servers import Valkey

EPOCH: Final = "{moved}:limits-epoch"
HOLDER: Final = b"replica1"

PRELUDE: Final = """
local server = redis
local second, part = string.match(KEYS[#KEYS], '(%d+) (%d+)')
local moment = tonumber(second) * 1000 + math.floor(tonumber(part) / 1000)
local moved = {}
function moved.TIME() return { second, part } end
function moved.GET(key)
  local ends = server.call('HGET', key, 'ends')
  return ends and tonumber(ends) >= moment and server.call('HGET', key, 'state')
end
function moved.MGET(...)
  local found = {}
  for at, key in ipairs({ ... }) do found[at] = moved.GET(key) end
  return found
end
local function keep(key, state, ends)
  return server.call('HSET', key, 'state', state, 'ends', ends)
end
function moved.SET(key, state) return keep(key, state, '1e300') end
function moved.PSETEX(key, life, state)
  return keep(key, state, string.format('%.0f', moment + life))
end
function moved.DEL(key) return server.call('DEL', key) end
function moved.INFO(section) return server.call('INFO', section) end
local redis = {}
function redis.call(name, ...) return moved[name](...) end
"""
"""Puts a server before the script whose clock stands at the last key's name; by it keys expire."""

Request = tuple[Charge, ...]


class Moved:
    """The script and the memory, on one clock of whole microseconds.

    Attributes:
        now: microseconds of Unix time.
        limits: the counters in memory.
        holder: the replica that asks.
    """

    def __init__(self, server: Valkey) -> None:
        self._client = redis.Redis(HOST, server.port, socket_timeout=5)
        text = read_scripts()["take_limits"].text.decode()
        self._script = self._client.register_script(PRELUDE + text)
        text = read_scripts()["hold_slots"].text.decode()
        self._holding = self._client.register_script(PRELUDE + text)
        self.holder = HOLDER
        self.begin()

    def begin(self) -> None:
        """Forget everything."""
        self.now = MOMENT
        self.limits = MemoryLimits(100_000, self.seconds, self.seconds)
        self._client.flushall()

    def seconds(self) -> float:
        """Tell the time."""
        return self.now / SECOND

    def in_memory(self, *requests: Request) -> list[tuple[Count, ...]]:
        """Charge requests one after the other."""
        return [self.limits.at_hand(request) for request in requests]

    def on_server(self, *requests: Request, mode: str = "") -> list[tuple[Count, ...]]:
        """Charge requests by one script, which leases nothing."""
        none = Leases(0, 1, self.seconds)
        numbers = iter(self._run(requests, none, "", mode))
        return [tuple(_count(numbers)[0] for _ in request) for request in requests]

    def leasing(self, charge: Charge, leases: Leases, wanted: int) -> tuple[Count, int]:
        """Charge one request; return also the units that were leased.

        Args:
            charge: the charge.
            leases: the leases of the replica that asks.
            wanted: units that it wants beyond the cost.
        """
        return _count(iter(self._run([(charge,)], leases, f"{wanted}", "")))

    def hold(self, units: Sequence[tuple[Charge, int]], holder: bytes = HOLDER) -> None:
        """Say what a replica holds.

        Args:
            units: units of the counters of these charges.
            holder: the replica.
        """
        keys = [_key(charge) for charge, _ in units]
        said = " ".join(str(number) for _, number in units)
        answer = self._holding([*keys, self._time()], [holder, LIFE, said])
        assert answer == len(keys)

    def _time(self) -> str:
        # As the memory reads it, to the last digit.
        return "{} {}".format(*divmod(int(self.seconds() * SECOND), SECOND))

    def end(self) -> None:
        """Disconnect."""
        self._client.close()

    def _run(
        self, requests: Sequence[Request], leases: Leases, wants: str, mode: str
    ) -> Sequence[int]:
        charges = [charge for request in requests for charge in request]
        keys = [_key(charge) for charge in charges]
        sizes = " ".join(str(len(request)) for request in requests)
        words = [word_of(charge, leases, self.holder) for charge in charges]
        answer = self._script(
            [*keys, *([EPOCH] if mode else []), self._time()], [mode, sizes, wants, *words]
        )
        assert isinstance(answer, list)
        return answer


def _key(charge: Charge) -> str:
    return f"{{moved}}:{charge.limit.id}:{charge.caller.hex()}"


def _count(numbers: Iterator[int]) -> tuple[Count, int]:
    """Read what the script says of one charge, and the units that were leased."""
    said, left, wait, leased = (next(numbers) for _ in range(4))
    return Count(said == 1, left, wait, None, said == 2), leased
