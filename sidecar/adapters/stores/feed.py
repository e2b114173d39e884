"""The change feed: makes memories forget what was changed, here or by another process.

The store's log is read every `poll` seconds, and at once when the store says that something
happened. A push only shortens the wait: that a change is in force in time rests on the log and on
the bound on staleness (`memories`), not on a subscription that may be down.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sidecar.adapters.stores.blocks import RememberedBlocks
from sidecar.adapters.stores.memories import (
    Freshness,
    RememberedKeys,
    RememberedRevocations,
    RememberedTenants,
)
from sidecar.adapters.stores.uses import KeyUses
from sidecar.model.blocks import MOST_BLOCKS
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Change, ChangeKind, Changes, Store

if TYPE_CHECKING:
    from sidecar.adapters.vault.secrets import UnsealedSecrets

_LOG: Final = logging.getLogger("sidecar.state")

_CUTS: Final = 10
_CUT_SECONDS: Final = 0.2
_USES_SECONDS: Final = 60.0
"""Uses of keys are written so often, so that a key in constant use costs a write a minute."""

Listener = Callable[[Changes], None]


class Memories:
    """Everything of one process that a change may make wrong.

    Attributes:
        freshness: how long ago the store was heard.
        keys: keys.
        tenants: tenants.
        revocations: revocations of tokens.
        secrets: unsealed secrets; None where the policy has no use for them.
        blocks: blocks; None likewise.
    """

    def __init__(
        self,
        freshness: Freshness,
        tenants: RememberedTenants,
        secrets: "UnsealedSecrets | None" = None,
    ) -> None:
        self.freshness = freshness
        self.keys = RememberedKeys(freshness)
        self.tenants = tenants
        self.revocations = RememberedRevocations(freshness.another())
        self.secrets = secrets
        self.blocks: RememberedBlocks | None = None

    def forget(self, change: Change) -> None:
        """Forget what one change was about."""
        if change.kind is ChangeKind.KEY:
            self.keys.forget(change.id)
        elif change.kind is ChangeKind.TENANT:
            self.tenants.forget(change.id)
        elif change.kind is ChangeKind.SECRET and self.secrets is not None:
            tenant, _, name = change.id.partition("/")
            self.secrets.forget(tenant, name)

    def end(self) -> None:
        """Know nothing any more."""
        self.freshness.end()
        self.revocations.end()
        if self.blocks is not None:
            self.blocks.end()

    def forget_all(self) -> None:
        """Forget everything that a store may have changed unseen."""
        self.keys.forget_all()
        self.tenants.forget_all()
        self.revocations.begin_anew()
        if self.secrets is not None:
            self.secrets.forget_all()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a feed reads.

    Attributes:
        poll_seconds: time between two readings at most.
        clock: Unix seconds.
        took: is told for each change how many seconds it took to get here.
    """

    poll_seconds: float
    clock: Callable[[], float]
    took: Callable[[float], None]


class Feed:
    """Reads a store's change log and passes it on.

    Attributes:
        errors: readings that failed.
    """

    def __init__(self, store: Store, memories: Memories, uses: KeyUses, rhythm: Rhythm) -> None:
        """Prepare.

        Args:
            store: the store.
            memories: what forgets.
            uses: notes which keys were used; they are written once a minute.
            rhythm: when, and who is told.
        """
        self._store = store
        self._memories = memories
        self._uses = uses
        self._rhythm = rhythm
        self._written_at = memories.freshness.now()
        self._listeners: list[Listener] = []
        self._blocks_listeners: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._revision: int | None = None
        self._mark = b""  # of its own: a store has several readers, and each must hear of a loss
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self._is_heard = True
        self._is_lost = False
        self._revocations_changed = True
        self._untold: tuple[Change, ...] = ()
        self._blocks_changed = True
        self._is_to_tell = False
        self.errors = 0

    def listen(self, listener: Listener) -> None:
        """Have changes passed on, after the memories forgot."""
        self._listeners.append(listener)

    def listen_to_blocks(self, listener: Callable[[], None]) -> None:
        """Have it said that the list of blocks was read anew."""
        self._blocks_listeners.append(listener)

    def silence(self) -> None:
        """Pass nothing on any more."""
        self._listeners.clear()
        self._blocks_listeners.clear()

    async def start(self) -> None:
        """Read for the first time, then go on in the background.

        Raises:
            StoreUnavailableError: the store cannot be read.
        """
        await self.read()
        self._tasks = (
            asyncio.create_task(self._poll()),
            asyncio.create_task(self._subscribe()),
        )

    async def close(self) -> None:
        """Stop reading."""
        late = set(self._tasks)
        self._tasks = ()
        # A library's clean-up may wait for a server that says nothing: it is cut off again.
        for _ in range(_CUTS):
            for task in late:
                task.cancel()
            if late:
                _, late = await asyncio.wait(late, timeout=_CUT_SECONDS)

    async def read(self) -> None:
        """Read what changed since the last time.

        Raises:
            StoreUnavailableError: the store cannot be read.
        """
        asked_at = self._memories.freshness.now()
        is_first = self._revision is None
        changes = await self._store.changes(self._revision, self._mark)
        # A reading that fails below leaves it to the next one, whatever the store is by then.
        self._is_lost = self._is_lost or not changes.is_complete
        if self._is_lost:
            changes = replace(changes, is_complete=False)
            self._memories.forget_all()
        for change in changes.items:
            self._memories.forget(change)
        unread = (
            await self._read_revocations(changes, asked_at),
            await self._read_blocks(changes, asked_at),
        )
        self._revision, self._mark = changes.revision, changes.mark
        self._is_lost = False
        self._memories.freshness.note(asked_at)
        # Only now: whoever listens and fails must not have the same changes read for ever.
        self._tell_of_blocks()
        if not is_first:
            self._tell(changes)
        for error in unread:
            if error is not None:
                raise error

    def _tell(self, changes: Changes) -> None:
        items = (*self._untold, *changes.items)
        # Whoever listens asks who is revoked now: that must have been read by then.
        held = ChangeKind.REVOCATION if self._revocations_changed else None
        self._untold = tuple(one for one in items if one.kind is held)
        changes = replace(changes, items=tuple(one for one in items if one.kind is not held))
        for change in changes.items:
            self._rhythm.took(max(changes.now - change.at, 0.0))
        if changes.items or not changes.is_complete:
            for listener in self._listeners:
                listener(changes)

    def _tell_of_blocks(self) -> None:
        if self._is_to_tell:
            self._is_to_tell = False
            for listener in self._blocks_listeners:
                listener()

    async def _read_blocks(self, changes: Changes, asked_at: float) -> StoreUnavailableError | None:
        """Read the list of blocks anew if it was changed.

        Returns:
            Why it could not be read, for the end of the reading: what nobody can read must not keep
            other changes from those whom they are about.
        """
        blocks = self._memories.blocks
        if blocks is None:
            return None
        self._blocks_changed = self._blocks_changed or _is_about(ChangeKind.BLOCK, changes)
        if self._blocks_changed:
            try:
                blocks.load(await self._store.blocks("", MOST_BLOCKS + 1))
            except StoreUnavailableError as error:
                return error
            self._blocks_changed = False
            self._is_to_tell = True
        blocks.note(asked_at)
        return None

    async def _read_revocations(
        self, changes: Changes, asked_at: float
    ) -> StoreUnavailableError | None:
        """Read new revocations if there are any; returns why they could not be read."""
        revocations = self._memories.revocations
        is_told = _is_about(ChangeKind.REVOCATION, changes)
        self._revocations_changed = self._revocations_changed or is_told
        if self._revocations_changed:
            try:
                number, news = await self._store.revocations(revocations.number)
            except StoreUnavailableError as error:
                return error
            revocations.load(number, news, self._rhythm.clock())
            self._revocations_changed = False
        revocations.note(asked_at)
        return None

    async def _poll(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rhythm.poll_seconds):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._try_to_read()
            except Exception:  # noqa: BLE001 -- the top of a task: without it memories would end
                _LOG.exception("the change feed failed, and goes on")

    async def _try_to_read(self) -> None:
        was_heard, self._is_heard = self._is_heard, True
        try:
            await self.read()
        except StoreUnavailableError as error:
            self._is_heard = False
            self.errors += 1
            if was_heard:
                _LOG.error("changes of the state store cannot be read: %s", error.reason)
        else:
            if not was_heard:
                _LOG.warning("changes of the state store are read again")
            await self._write_uses()

    async def _write_uses(self) -> None:
        now = self._memories.freshness.now()
        if now - self._written_at < _USES_SECONDS:
            return
        self._written_at = now
        if uses := self._uses.take():
            # When a key was used last is a hint: it is not worth a second attempt.
            with contextlib.suppress(StoreUnavailableError):
                await self._store.note_uses(uses)

    async def _subscribe(self) -> None:
        while True:
            try:
                await self._store.watch(self._wake.set)
            except StoreUnavailableError:
                self.errors += 1
            except Exception:  # noqa: BLE001 -- the top of a task: without it pushes would end
                _LOG.exception("the subscription to changes failed, and is made again")
            # Polling goes on meanwhile; what happened before the next subscription is read now.
            await asyncio.sleep(self._rhythm.poll_seconds)
            self._wake.set()


def _is_about(kind: ChangeKind, changes: Changes) -> bool:
    """Tell whether something of a kind may have been changed."""
    return not changes.is_complete or any(change.kind is kind for change in changes.items)
