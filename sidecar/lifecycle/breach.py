"""The breach command: everything by which a tenant can be entered ends at once (AN-17)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sidecar.lifecycle.errors import LifecycleError
from sidecar.lifecycle.keys import Keys, MadeKey, Source
from sidecar.lifecycle.tokens import Tokens
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyRecord, KeyStatus, RevocationKind
from sidecar.model.ports import Event, Events

_PAGE: Final = 50
# An answer has to come before the admin listener and its clients lose patience.
_SECONDS: Final = 7.0


@dataclass(slots=True)
class Ended:
    """What a breach response ended.

    Attributes:
        before: Unix seconds; keys made later are left alone.
        after: id of the last key that was looked at.
        revoked: ids of keys that were revoked.
        rotated: keys that were made, each with the id of the key that it replaces.
        failure: why it could not go on; None when nothing failed.
        is_complete: whether nothing is left; if not, call again with these `before` and `after`.
    """

    before: float
    after: str = ""
    revoked: list[str] = field(default_factory=list)
    rotated: list[tuple[str, MadeKey]] = field(default_factory=list)
    failure: str | None = None
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What is to be done about a breach.

    Attributes:
        tenant: the tenant.
        is_rotating: whether active keys are replaced instead of revoked.
        grace_seconds: how long a replaced key is still good.
        before: Unix seconds of the first call, when this one goes on with it.
        after: id of the last key that the call before looked at.
    """

    tenant: str
    is_rotating: bool = False
    grace_seconds: float = 0.0
    before: float | None = None
    after: str = ""


class Breach:
    """Ends all keys, sessions and tokens of a tenant.

    Args:
        keys: the keys.
        tokens: revokes tokens and sessions.
        events: the audit.
        source: the clock.
    """

    def __init__(self, keys: Keys, tokens: Tokens, events: Events, source: Source) -> None:
        self._keys = keys
        self._tokens = tokens
        self._events = events
        self._source = source

    async def respond(self, actor: str, response: Response) -> Ended:
        """End everything that a tenant's callers hold: tokens and sessions, then key by key.

        Keys that are not active are revoked also where active ones are rotated. Keys that were made
        on the way are returned even if the store fails then: nobody could ever show them again.

        Raises:
            StoreUnavailableError: the store cannot answer, and no key was made.

        Controls: AN-17.
        """
        now = self._source.clock()
        ended = Ended(now if response.before is None else response.before, response.after)
        try:
            # Tokens first: one row ends them all.
            await self._tokens.revoke(actor, RevocationKind.TENANT, response.tenant)
            ended.is_complete = await self._end_keys(actor, response, ended)
        except StoreUnavailableError as error:
            ended.failure = error.reason
            self._note(actor, response, ended)
            if not ended.rotated:
                raise
            return ended
        self._note(actor, response, ended)
        return ended

    async def _end_keys(self, actor: str, response: Response, ended: Ended) -> bool:
        deadline = self._source.clock() + _SECONDS
        made: set[str] = set()
        while records := await self._keys.page(response.tenant, ended.after, _PAGE):
            for record in _affected(records, ended.before, made):
                made |= await self._end(actor, record, response, ended)
            ended.after = records[-1].id
            if self._source.clock() > deadline:
                return False
        return True

    async def _end(
        self, actor: str, record: KeyRecord, response: Response, ended: Ended
    ) -> set[str]:
        """End one key; returns the ids of what was made in its place."""
        if response.is_rotating and record.status is KeyStatus.ACTIVE:
            try:
                fresh = await self._keys.rotate(actor, record.id, response.grace_seconds)
            except LifecycleError:
                # It ended by itself, or its kind has no format any more: nothing to replace.
                pass
            else:
                ended.rotated.append((record.id, fresh))
                return {fresh.record.id}
        await self._keys.revoke(actor, record.id)
        ended.revoked.append(record.id)
        return set()

    def _note(self, actor: str, response: Response, ended: Ended) -> None:
        details: Mapping[str, object] = {
            "revoked": len(ended.revoked),
            "rotated": len(ended.rotated),
            "grace_seconds": response.grace_seconds,
            "complete": ended.is_complete,
        }
        tenant = response.tenant
        self._events.note_event(
            Event("tenant.breach", actor, tenant, "tenant", tenant, ended.failure, details)
        )


def _affected(records: list[KeyRecord], before: float, made: set[str]) -> list[KeyRecord]:
    return [
        record
        for record in records
        if record.status is not KeyStatus.REVOKED
        and record.created_at <= before
        and record.id not in made
    ]
