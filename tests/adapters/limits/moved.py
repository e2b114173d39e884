"""The script of limits on a real server whose clock is moved, and the memory on the same clock."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import redis

from sidecar.adapters.limits.leases import Leases, burst_of
from sidecar.adapters.limits.memory import MemoryLimits
from sidecar.adapters.stores.redis.scripts import read_scripts
from sidecar.model.limits import SECOND, Charge, Count
from tests.adapters.limits.charges import MOMENT
from tests.stores.servers import HOST, Valkey

EPOCH: Final = "{moved}:limits-epoch"

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
    """

    def __init__(self, server: Valkey) -> None:
        self._client = redis.Redis(HOST, server.port, socket_timeout=5)
        text = read_scripts()["take_limits"].text.decode()
        self._script = self._client.register_script(PRELUDE + text)
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

    def end(self) -> None:
        """Disconnect."""
        self._client.close()

    def _run(
        self, requests: Sequence[Request], leases: Leases, wants: str, mode: str
    ) -> Sequence[int]:
        charges = [charge for request in requests for charge in request]
        keys = [f"{{moved}}:{one.limit.id}:{one.caller.hex()}" for one in charges]
        # As the memory reads it, to the last digit.
        now = "{} {}".format(*divmod(int(self.seconds() * SECOND), SECOND))
        sizes = " ".join(str(len(request)) for request in requests)
        words = [_word(charge, leases) for charge in charges]
        answer = self._script(
            [*keys, *([EPOCH] if mode else []), now], [mode, sizes, wants, *words]
        )
        assert isinstance(answer, list)
        return answer


def _word(charge: Charge, leases: Leases) -> bytes:
    """Write what the script must know of a charge."""
    limit = charge.limit
    kind = limit.calendar or ("bucket" if limit.burst else "window")
    flags = limit.is_shadow + 2 * limit.is_charged_refused
    length = leases.length_of(limit)
    burst = burst_of(limit, length)
    word = (str(kind), limit.amount, limit.period, burst, charge.cost, flags, length)
    return msgspec.msgpack.encode(word)


def _count(numbers: Iterator[int]) -> tuple[Count, int]:
    """Read what the script says of one charge, and the units that were leased."""
    return Count(bool(next(numbers)), next(numbers), next(numbers)), next(numbers)
