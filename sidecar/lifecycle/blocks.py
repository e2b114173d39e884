"""Blocks, as operators add, list and lift them."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Protocol

from sidecar.lifecycle.errors import BadValueError, ConflictError, NotFoundError, audited
from sidecar.lifecycle.keys import KEY_ID
from sidecar.lifecycle.tenant_facts import tenant_id
from sidecar.model.blocks import (
    MOST_BLOCKS,
    Block,
    BlockKind,
    Network,
    client_network,
    network_text,
)
from sidecar.model.identity import KeyId, TenantId
from sidecar.model.moments import write_moment
from sidecar.model.ports import BlockStore, Event, Events, KeyStore, TenantStore
from sidecar.policy.schema.policy import Policy

REASON_CHARACTERS: Final = 200
UNNAMED: Final = "-"
"""What stands in the audit for a value that is none of its kind: it may be a key."""

_LEAST_BITS: Final = {4: 8, 6: 16}
_FORCE: Final = "force blocks it all the same"
_NETWORKS: Final = "203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"


class BlocksStore(BlockStore, KeyStore, TenantStore, Protocol):
    """The parts of a store that hold blocks, and what they are about."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A block that is to be.

    Attributes:
        kind: what `value` is.
        value: an address or a network, the id of a key, or the id of a tenant.
        until: Unix seconds from which it is over; None until it is lifted.
        reason: why, for the audit.
        is_forced: whether doubts about it are overruled.
    """

    kind: BlockKind
    value: str
    until: float | None = None
    reason: str = ""
    is_forced: bool = False


class Blocks:
    """Acts on blocks; each action names its actor and goes to the audit.

    Args:
        store: holds blocks, keys and tenants.
        policy: the policy in force.
        events: the audit.
        now: tells Unix seconds.
    """

    def __init__(
        self, store: BlocksStore, policy: Policy, events: Events, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._is_enforced = policy.blocks is not None
        self._proxies = policy.listen.trusted_proxies
        self._tenants = frozenset(policy.tenants)
        self._events = events
        self._now = now

    async def add(self, actor: str, wanted: Wanted) -> Block:
        """Shut somebody out; a block of the same kind and value is replaced.

        Raises:
            LifecycleError: a value does not fit, or nobody would enforce it.
            StoreUnavailableError: the store cannot answer.
        """
        details: dict[str, object] = {
            "until": None if wanted.until is None else write_moment(wanted.until),
            "reason": wanted.reason[:REASON_CHARACTERS] or None,
            "forced": wanted.is_forced,
        }
        event = _event("create", actor, wanted.kind, wanted.value, details)
        with audited(self._events, event):
            self._need_enforcement()
            _need_reason(wanted.reason)
            value = _read(wanted.kind, wanted.value)
            if not wanted.is_forced:
                await self._doubt(wanted.kind, value)
            block = Block(wanted.kind, value, wanted.until, wanted.reason, actor, self._now())
            if not await self._store.put_block(block, MOST_BLOCKS):
                raise ConflictError(
                    f"there are {MOST_BLOCKS} blocks already",
                    "remove some, or block a network instead of its addresses",
                )
        return block

    async def list(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id.

        Args:
            after: id after which the page begins; empty for the first page.
            limit: most blocks of a page.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        return await self._store.blocks(after, limit)

    async def remove(self, actor: str, kind: BlockKind, value: str) -> str:
        """Lift a block.

        Returns:
            The value as the block had it.

        Raises:
            LifecycleError: there is none such.
            StoreUnavailableError: the store cannot answer.
        """
        with audited(self._events, _event("remove", actor, kind, value)):
            name = _read(kind, value)
            if not await self._store.remove_block(kind, name):
                raise NotFoundError(f"the {kind} {name} is not blocked", "sidecar block list")
        return name

    def _need_enforcement(self) -> None:
        if not self._is_enforced:
            raise ConflictError("this policy enforces no blocks", "blocks: {} switches them on")

    async def _doubt(self, kind: BlockKind, value: str) -> None:
        """Insist on what makes sense: in an emergency a slip shuts out everybody, or nobody."""
        if kind is BlockKind.ADDRESS:
            self._doubt_network(client_network(value))
        elif kind is BlockKind.KEY:
            if await self._store.key(KeyId(value)) is None:
                raise NotFoundError(f"there is no key {value}", _FORCE)
        elif value not in self._tenants and await self._store.tenant(TenantId(value)) is None:
            raise NotFoundError(f"there is no tenant {value}", _FORCE)

    def _doubt_network(self, network: Network) -> None:
        least = _LEAST_BITS[network.version]
        if network.prefixlen < least:
            raise BadValueError(
                f"{network} is wider than /{least} and holds far more than an attacker", _FORCE
            )
        proxy = next((one for one in self._proxies if _overlap(one, network)), None)
        if proxy is not None:
            raise ConflictError(
                f"{network_text(network)} holds trusted proxies of the policy"
                f" ({network_text(proxy)}), behind which are others",
                f"block the client's own address, or {_FORCE}",
            )


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def _need_reason(reason: str) -> None:
    if len(reason) > REASON_CHARACTERS or not reason.isprintable():
        raise BadValueError(
            "the reason is no line of text", f"at most {REASON_CHARACTERS} characters"
        )


def _read(kind: BlockKind, value: str) -> str:
    """Read a value in the one spelling that blocks have."""
    if kind is BlockKind.ADDRESS:
        return network_text(_read_network(value))
    if kind is BlockKind.TENANT:
        return tenant_id(value)
    # A key that was given by mistake where its id belongs must not be repeated anywhere.
    if not KEY_ID.match(value):
        raise BadValueError("this is no id of a key", "sidecar keys list shows ids")
    return value


def _read_network(value: str) -> Network:
    try:
        return client_network(value)
    except ValueError:
        pass  # what is wrong with it is found out now
    if "%" in value:
        raise BadValueError(
            "a zone has a meaning on one host alone", "the address without % and what follows"
        )
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise BadValueError("this is neither an address nor a network", _NETWORKS) from None
    raise BadValueError("the network has bits set beyond its prefix length", str(meant))


def _event(
    verb: str,
    actor: str,
    kind: BlockKind,
    value: str,
    details: dict[str, object] | None = None,
) -> Event:
    try:
        shown = _read(kind, value)
    except BadValueError:
        shown = UNNAMED
    tenant = shown if kind is BlockKind.TENANT and shown != UNNAMED else None
    return Event(f"block.{verb}", actor, tenant, "block", f"{kind}:{shown}", details=details)
