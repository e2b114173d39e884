"""All blocks in force, as every process remembers them; compiled with the hot path.

The list is short and read as a whole: a look-up costs the same however many there are. Whether a
block is over is judged on each use, so none outlasts its time until the list is read again.
"""

from collections.abc import Iterable
from typing import Final

from sidecar.adapters.stores.memories import Freshness
from sidecar.model.blocks import Block, BlockKind, client_address, client_network
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.memo import Memo

_CLIENTS: Final = 4096

_Place = tuple[int, int, int]
"""Of a network: version of IP, bits behind its prefix, the prefix itself."""


class RememberedBlocks:
    """The blocks of the store, as they were read last.

    Args:
        freshness: how long ago the list was known to be whole; its own, since it may be unreadable
            while everything else can be read.
        keeps_last: whether the list holds on while the store is silent.
    """

    __slots__ = (
        "_by_network", "_covering", "_freshness", "_is_loaded", "_keeps_last", "_keys", "_places",
        "_tenants",
    )  # fmt: skip

    def __init__(self, freshness: Freshness, *, keeps_last: bool) -> None:
        self._freshness = freshness
        self._keeps_last = keeps_last
        self._is_loaded = False
        self._keys: dict[str, Block] = {}
        self._tenants: dict[str, Block] = {}
        # By version and bits behind the prefix, the networks by what stands before these; those of
        # one address among them, with no bits behind.
        self._by_network: dict[tuple[int, int], dict[int, Block]] = {}
        self._places: dict[str, _Place] = {}
        self._covering: Memo[str, tuple[Block, ...]] = Memo(self._find, _CLIENTS)

    def is_current(self) -> bool:
        """Tell whether the list may be believed; without having been read once it never may."""
        return self._is_loaded and (self._keeps_last or self._freshness.is_current())

    def is_last_known(self) -> bool:
        """Tell whether the list is believed though the store may know a newer one."""
        return self._is_loaded and self._keeps_last and not self._freshness.is_current()

    def end(self) -> None:
        """Be out of date from now on, also for who keeps the last list."""
        self._freshness.end()
        self._is_loaded = False

    def note(self, asked_at: float) -> None:
        """Note that the store knows of no change of the list.

        Args:
            asked_at: when it was asked, monotonic seconds.
        """
        self._freshness.note(asked_at)

    def address(self, client: str, now: float) -> Block | None:
        """Return a block of a client's address, or of a network that it is in."""
        if not self._by_network:
            return None
        for block in self._covering(client):
            if block.until is None or block.until > now:
                return block
        return None

    def key(self, key_id: str, now: float) -> Block | None:
        """Return the block of an API key."""
        block = self._keys.get(key_id)
        return None if block is None or block.is_over(now) else block

    def tenant(self, tenant: str, now: float) -> Block | None:
        """Return the block of a tenant."""
        block = self._tenants.get(tenant)
        return None if block is None or block.is_over(now) else block

    def count(self, now: float) -> int:
        """Count the blocks in force."""
        held = [*self._keys.values(), *self._tenants.values()]
        for networks in self._by_network.values():
            held += networks.values()
        return sum(not block.is_over(now) for block in held)

    def load(self, blocks: Iterable[Block]) -> None:
        """Take the list as the store has it now.

        Raises:
            StoreUnavailableError: an address in it cannot be read; the list stays as it was.
        """
        keys: dict[str, Block] = {}
        tenants: dict[str, Block] = {}
        networks: dict[tuple[int, int], dict[int, Block]] = {}
        places: dict[str, _Place] = {}
        for block in blocks:
            if block.kind is BlockKind.KEY:
                keys[block.value] = block
            elif block.kind is BlockKind.TENANT:
                tenants[block.value] = block
            else:
                # Reading 10,000 addresses takes 0.1 s, and one change reads the list anew.
                place = self._places.get(block.value) or _place_of(block)
                version, bits, prefix = place
                places[block.value] = place
                networks.setdefault((version, bits), {})[prefix] = block
        self._keys = keys
        self._tenants = tenants
        self._by_network = networks
        self._places = places
        self._covering = Memo(self._find, _CLIENTS)
        self._is_loaded = True

    def _find(self, client: str) -> tuple[Block, ...]:
        address = client_address(client)
        if address is None:
            return ()
        number = int(address)
        found = [
            networks.get(number >> bits)
            for (version, bits), networks in self._by_network.items()
            if version == address.version
        ]
        return tuple([block for block in found if block is not None])


def _place_of(block: Block) -> _Place:
    try:
        network = client_network(block.value)
    except ValueError as error:
        # Left out, it would let in whom an operator shut out.
        raise StoreUnavailableError("the store holds a block that cannot be read") from error
    bits = network.max_prefixlen - network.prefixlen
    return network.version, bits, int(network.network_address) >> bits
