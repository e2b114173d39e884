"""Keys that exist already come in by their digests (AN-2); the keys themselves are never seen."""

from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import Field

from sidecar.knowledge.auth.digest import PLAIN, DigestRing, read_digest
from sidecar.lifecycle.errors import BadValueError, LifecycleError
from sidecar.lifecycle.key_drafts import DraftRules, Identity, KeyDraft, record_of
from sidecar.lifecycle.keys import Source
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId, KeyRecord
from sidecar.model.ports import Event, Events, KeyStore
from sidecar.policy.schema.section import Section

BATCH_MAX: Final = 100
_VISIBLE_MAX: Final = 8


class ImportedKey(KeyDraft):
    """A key that exists: what `KeyDraft` has, and what it is known by.

    Attributes:
        digest: SHA-256 of the key, or HMAC-SHA256 under a pepper, 64 hexadecimal digits.
        pepper: name of the pepper; none for SHA-256 alone.
        prefix: what the key begins with, and at most 8 characters behind it (AN-7).
    """

    digest: Annotated[str, Field(max_length=64)]
    pepper: Annotated[str, Field(pattern=r"^([0-9a-f]{8})?$")] = PLAIN
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,96}$")]


class ImportedKeys(Section):
    """A batch of keys.

    Attributes:
        keys: the keys, 100 at most.
    """

    keys: Annotated[tuple[ImportedKey, ...], Field(min_length=1, max_length=BATCH_MAX)]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a batch.

    Attributes:
        records: what was added.
        known: how many were there already, by their digest.
    """

    records: list[KeyRecord]
    known: int


class KeyImport:
    """Takes keys in by their digests.

    Args:
        store: holds the keys.
        rules: what a key may be.
        ring: knows the names of peppers.
        events: the audit.
        source: clock and ids.
    """

    def __init__(
        self, store: KeyStore, rules: DraftRules, ring: DigestRing, events: Events, source: Source
    ) -> None:
        self._store = store
        self._rules = rules
        self._ring = ring
        self._events = events
        self._source = source

    async def take(self, actor: str, batch: ImportedKeys) -> Imported:
        """Add the keys of a batch, or none if one of them does not fit.

        Keys whose digest is there already are left as they are, so that an import which was cut
        off can be started again.

        Raises:
            LifecycleError: a key does not fit; the message says which.
            StoreUnavailableError: the store cannot answer; the keys before are in.

        Controls: AN-2, AN-3.
        """
        records = []
        for number, key in enumerate(batch.keys, 1):
            try:
                records.append(await self._judged(actor, key))
            except LifecycleError as error:
                reason = f"key {number}: {error.message}"
                self._note_failure(actor, key, reason)
                raise type(error)(reason, error.hint) from error
            except StoreUnavailableError as error:
                self._note_failure(actor, key, error.reason)
                raise
        added = [record for record in records if await self._add(actor, record)]
        return Imported(added, len(records) - len(added))

    async def _judged(self, actor: str, key: ImportedKey) -> KeyRecord:
        await self._rules.judge(key)
        pattern = self._rules.pattern_of(key.kind)
        digest = read_digest(key.digest)
        if digest is None:
            raise BadValueError("digest is no SHA-256", "64 hexadecimal digits")
        if not self._ring.knows(key.pepper):
            raise BadValueError(
                f"no pepper is named {key.pepper}", "put it behind the newest in secrets.pepper"
            )
        visible = self._rules.patterns.visible_part(key.prefix)
        if visible is None or len(visible) > _VISIBLE_MAX:
            starts = ", ".join(start.decode() for start in self._rules.patterns.starts)
            raise BadValueError(
                "prefix begins like no format of the policy, or shows too much of the key",
                f"one of {starts}, and at most {_VISIBLE_MAX} characters of the key behind it",
            )
        identity = Identity(KeyId(self._source.new_id().decode()), digest, key.pepper, key.prefix)
        return record_of(key, identity, pattern.kind, actor, self._source.clock())

    async def _add(self, actor: str, record: KeyRecord) -> bool:
        details = {"prefix": record.prefix, "pepper": record.pepper}
        event = Event("key.import", actor, record.tenant, "key", record.id, details=details)
        try:
            is_new = await self._store.add_key(record)
        except StoreUnavailableError as error:
            self._events.note_event(replace(event, reason=error.reason))
            raise
        if is_new:
            self._events.note_event(event)
        return is_new

    def _note_failure(self, actor: str, key: ImportedKey, reason: str) -> None:
        self._events.note_event(Event("key.import", actor, key.tenant, "key", "-", reason=reason))
