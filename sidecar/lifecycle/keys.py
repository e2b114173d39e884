"""API keys: made, shown, rotated, switched off and on, revoked; each audited with its actor (AU-2).

A key is in the answer that makes it and nowhere else (SE-2); a store knows its digest alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sidecar.knowledge.auth.digest import DigestRing
from sidecar.lifecycle.errors import ConflictError, NotFoundError, audited
from sidecar.lifecycle.key_drafts import DraftRules, Identity, KeyDraft, record_of
from sidecar.model.identity import KeyId, KeyRecord, KeyStatus, TenantId
from sidecar.model.moments import write_moment
from sidecar.model.ports import Event, Events, KeyStore
from sidecar.model.secret import Secret

_ATTEMPTS: Final = 8
KEY_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")

_IDS: Final = "sidecar keys list shows the ids"

Change = Callable[[KeyRecord, float], KeyRecord | None]
"""The record that follows one at a time in Unix seconds; None when nothing is to change."""


@dataclass(frozen=True, slots=True)
class Source:
    """What makes a key its own.

    Attributes:
        clock: gives Unix seconds.
        urandom: gives that many unpredictable bytes.
        new_id: gives a fresh UUIDv7 as text.
    """

    clock: Callable[[], float]
    urandom: Callable[[int], bytes]
    new_id: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was just made.

    Attributes:
        key: the key; nobody can ever show it again (SE-2).
        record: what is stored of it.
    """

    key: Secret
    record: KeyRecord


class Keys:
    """The keys of an installation.

    Args:
        store: holds the keys.
        rules: what a key may be.
        ring: makes digests.
        events: the audit.
        source: clock, randomness, ids.
    """

    def __init__(
        self, store: KeyStore, rules: DraftRules, ring: DigestRing, events: Events, source: Source
    ) -> None:
        self._store = store
        self._rules = rules
        self._ring = ring
        self._events = events
        self._source = source

    async def create(self, actor: str, draft: KeyDraft) -> MadeKey:
        """Make a key.

        Raises:
            LifecycleError: the draft does not fit the policy or the tenants.
            StoreUnavailableError: the store cannot answer.

        Controls: AN-1, SE-2.
        """
        key_id = self._fresh_id()
        event = Event("key.create", actor, draft.tenant, "key", key_id)
        with audited(self._events, event):
            await self._rules.judge(draft)
            pattern = self._rules.pattern_of(draft.kind)
            key, identity = self._mint(pattern.kind, key_id)
            now = self._source.clock()
            made = MadeKey(key, record_of(draft, identity, pattern.kind, actor, now))
            await self._add(made.record)
        return made

    async def page(self, tenant: str | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id, of a tenant or all.

        Raises:
            StoreUnavailableError: the store cannot answer.
        """
        return await self._store.keys(None if tenant is None else TenantId(tenant), after, limit)

    async def show(self, key_id: str) -> KeyRecord:
        """Return what is stored of a key.

        Raises:
            NotFoundError: there is none with this id.
            StoreUnavailableError: the store cannot answer.
        """
        # A key that was given by mistake where its id belongs must not be repeated anywhere.
        if not KEY_ID.match(key_id):
            raise NotFoundError("this is no id of a key", _IDS)
        record = await self._store.key(KeyId(key_id))
        if record is None:
            raise NotFoundError(f"there is no key {key_id}", _IDS)
        return record

    async def rotate(
        self, actor: str, key_id: str, grace_seconds: float, expires_at: float | None = None
    ) -> MadeKey:
        """Make a key in the place of another, which goes on for a while (AN-10).

        The new key has all that the old one has, its subject and its end included.

        Args:
            actor: who does it.
            key_id: the key to replace.
            grace_seconds: how long the old key is still good; 0 revokes it at once.
            expires_at: Unix seconds when the new key ends; None for when the old one would have.

        Raises:
            LifecycleError: there is no such key, or it is not active.
            StoreUnavailableError: the store cannot answer; a key that nobody was shown may be left.
        """
        record = await self._known(key_id, "key.rotate", actor)
        new_id = self._fresh_id()
        details = {"replaced_by": new_id, "grace_seconds": grace_seconds}
        with audited(self._events, _event("key.rotate", actor, record, details)):
            return await self._rotate(record, actor, new_id, grace_seconds, expires_at)

    async def revoke(self, actor: str, key_id: str) -> KeyRecord:
        """Revoke a key for good; one that is revoked already stays so (AN-10).

        Raises:
            NotFoundError: there is none with this id.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._switch("key.revoke", actor, key_id, revoked)

    async def disable(self, actor: str, key_id: str) -> KeyRecord:
        """Switch a key off until it is enabled again.

        Raises:
            LifecycleError: there is no such key, or it is revoked.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._switch("key.disable", actor, key_id, _disabled)

    async def enable(self, actor: str, key_id: str) -> KeyRecord:
        """Switch a key on again.

        Raises:
            LifecycleError: there is no such key, or it is revoked.
            StoreUnavailableError: the store cannot answer.
        """
        return await self._switch("key.enable", actor, key_id, _enabled)

    async def _rotate(
        self,
        record: KeyRecord,
        actor: str,
        new_id: KeyId,
        grace_seconds: float,
        expires_at: float | None,
    ) -> MadeKey:
        now = self._source.clock()
        _demand_active(record, now)
        self._rules.pattern_of(record.kind)
        key, identity = self._mint(record.kind, new_id)
        successor = _successor(record, identity, actor, now)
        if expires_at is not None:
            successor = replace(successor, expires_at=expires_at)
        # The new key first: if what follows fails, the old one is as good as before, and nobody
        # was shown the new one.
        await self._add(successor)
        retire = _Retirement(new_id, grace_seconds)
        try:
            await self._change(record.id, retire)
        except ConflictError:
            await self._change(new_id, revoked)
            raise
        return MadeKey(key, successor)

    async def _switch(self, action: str, actor: str, key_id: str, change: Change) -> KeyRecord:
        record = await self._known(key_id, action, actor)
        if change(record, self._source.clock()) is None:
            return record
        with audited(self._events, _event(action, actor, record)):
            return await self._change(record.id, change)

    async def _known(self, key_id: str, action: str, actor: str) -> KeyRecord:
        try:
            return await self.show(key_id)
        except NotFoundError as error:
            named = key_id if KEY_ID.match(key_id) else "-"
            self._events.note_event(Event(action, actor, None, "key", named, reason=str(error)))
            raise

    async def _change(self, key_id: KeyId, change: Change) -> KeyRecord:
        """Change a record; when somebody else was faster, judge what they left and try again."""
        for _ in range(_ATTEMPTS):
            record = await self.show(key_id)
            now = self._source.clock()
            changed = change(record, now)
            if changed is None:
                return record
            changed = replace(changed, changed_at=now, version=record.version + 1)
            if await self._store.replace_key(changed):
                return changed
        raise ConflictError("somebody else keeps changing the key", "try again")

    async def _add(self, record: KeyRecord) -> None:
        if not await self._store.add_key(record):
            raise ConflictError("there is such a key already", "try again")

    def _fresh_id(self) -> KeyId:
        return KeyId(self._source.new_id().decode())

    def _mint(self, kind: str, key_id: KeyId) -> tuple[Secret, Identity]:
        pattern = self._rules.pattern_of(kind)
        key = pattern.mint(self._source.urandom(pattern.random_bytes))
        prefix = self._rules.patterns.visible_prefix(key)
        return Secret(key), Identity(key_id, self._ring.digest(key), self._ring.newest, prefix)


@dataclass(frozen=True, slots=True)
class _Retirement:
    """Lets a key that was replaced end."""

    replaced_by: KeyId
    grace_seconds: float

    def __call__(self, record: KeyRecord, now: float) -> KeyRecord:
        _demand_active(record, now)
        if self.grace_seconds == 0:
            return replace(record, status=KeyStatus.REVOKED, replaced_by=self.replaced_by)
        ends = now + self.grace_seconds
        if record.expires_at is not None:
            ends = min(ends, record.expires_at)
        return replace(
            record, status=KeyStatus.GRACE, expires_at=ends, replaced_by=self.replaced_by
        )


def revoked(record: KeyRecord, _: float) -> KeyRecord | None:
    """Revoke a key, unless it is."""
    if record.status is KeyStatus.REVOKED:
        return None
    return replace(record, status=KeyStatus.REVOKED)


def _disabled(record: KeyRecord, _: float) -> KeyRecord | None:
    if record.status is KeyStatus.REVOKED:
        raise ConflictError("the key is revoked, which is for good", "sidecar keys create")
    if record.status is KeyStatus.DISABLED:
        return None
    return replace(record, status=KeyStatus.DISABLED)


def _enabled(record: KeyRecord, _: float) -> KeyRecord | None:
    if record.status is KeyStatus.REVOKED:
        raise ConflictError("the key is revoked, which is for good", "sidecar keys create")
    if record.status is not KeyStatus.DISABLED:
        return None
    # A key that was replaced goes back to its grace, whose end is in its record.
    status = KeyStatus.ACTIVE if record.replaced_by is None else KeyStatus.GRACE
    return replace(record, status=status)


def _demand_active(record: KeyRecord, now: float) -> None:
    if record.status is not KeyStatus.ACTIVE:
        hint = f"it was replaced by {record.replaced_by}" if record.replaced_by else ""
        raise ConflictError(f"the key is not active but {_state(record)}", hint)
    if record.expires_at is not None and record.expires_at <= now:
        raise ConflictError(
            f"the key ended at {write_moment(record.expires_at)}", "sidecar keys create"
        )


def _state(record: KeyRecord) -> str:
    return "in grace" if record.status is KeyStatus.GRACE else record.status.value


def _successor(record: KeyRecord, identity: Identity, actor: str, now: float) -> KeyRecord:
    return replace(
        record,
        id=identity.id,
        digest=identity.digest,
        pepper=identity.pepper,
        prefix=identity.prefix,
        created_at=now,
        created_by=actor,
        changed_at=now,
        last_used_at=None,
        version=1,
    )


def _event(
    action: str, actor: str, record: KeyRecord, details: Mapping[str, object] | None = None
) -> Event:
    return Event(action, actor, record.tenant, "key", record.id, details=details)
