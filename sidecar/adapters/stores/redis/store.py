"""The state store in Redis: the ports in terms of scripts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sidecar.adapters.stores.memory import LOG_ENTRIES
from sidecar.adapters.stores.records import UNREADABLE, decode, decode_key, encode, encode_key
from sidecar.adapters.stores.redis.names import Names
from sidecar.adapters.stores.redis.server import Server, Word
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.errors import StoreUnavailableError, UnreadableRecordError
from sidecar.model.identity import (
    KeyDigest,
    KeyId,
    KeyRecord,
    Revocation,
    TenantId,
    TenantRecord,
)
from sidecar.model.ports import Change, ChangeKind, Changes
from sidecar.policy.schema.state import State

_LOG: Final = logging.getLogger("sidecar.state")

SCHEMA_VERSION: Final = 1
PAGE: Final = 500
"""Revocations, blocks, or uses of keys, in one script: it must not keep the server from others."""


class RedisStore:
    """Keeps everything on a Redis server, for any number of sidecars.

    Each call is one script, on the master alone. A server that may be outdated (a replica, or a
    master that lost the replicas it must have) is not believed.

    Args:
        state: the section of the policy.
    """

    def __init__(self, state: State) -> None:
        self._names = Names(state.prefix)
        self._server = Server(state)
        self._has_replicas = state.topology != "single"

    async def open(self) -> None:
        """Connect, and take possession of an empty store.

        Raises:
            StoreUnavailableError: it cannot be reached, is of another version, or may evict keys.
        """
        self._server.connect()
        is_told, is_alone = _two(await self._run("open"))
        if not is_told:
            _LOG.warning(
                "the user of the state store may not run INFO: nobody can tell whether the server"
                " may evict keys or lost changes in a failover; give the user +info"
            )
        elif is_alone and self._has_replicas:
            _LOG.warning(
                "a master of the state store that is cut off from the others is believed for as"
                " long as that lasts, also of keys that were revoked meanwhile; set its"
                " min-replicas-to-write to 1 or more"
            )

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close()

    async def _run(self, name: str, *keys: str, words: Sequence[Word] = ()) -> object:
        first = (SCHEMA_VERSION, self._names.channel, LOG_ENTRIES)
        return await self._server.run(
            name, (self._names.own, self._names.log, *keys), (*first, *words)
        )

    # --- keys

    async def add_key(self, record: KeyRecord) -> bool:
        """Add a key; False when its id or digest is there already."""
        names = self._names
        used = "" if record.last_used_at is None else repr(record.last_used_at)
        start = f"{record.version}|{used}|{record.tenant or ''}|".encode()
        done = await self._run(
            "add_key", names.records, names.ids, names.ids_of(record.tenant),
            words=(record.id, record.digest, start + encode_key(record)),
        )  # fmt: skip
        return bool(done)

    async def find_key(self, digests: Sequence[KeyDigest]) -> KeyRecord | None:
        """Find the key that has one of these digests."""
        return _key(await self._run("find_key", self._names.records, words=digests))

    async def key(self, key_id: KeyId) -> KeyRecord | None:
        """Return a key by its id."""
        names = self._names
        return _key(await self._run("key", names.records, names.ids, words=(key_id,)))

    async def keys(self, tenant: TenantId | None, after: str, limit: int) -> list[KeyRecord]:
        """List keys by id."""
        names = self._names
        ids = names.ids if tenant is None else names.ids_of(tenant)
        found = await self._run("keys", names.records, ids, words=(after, limit))
        return [one for one in map(_key, _listed(found)) if one is not None]

    async def replace_key(self, record: KeyRecord) -> bool:
        """Put a changed record in the place of the version before it."""
        names = self._names
        used = "" if record.last_used_at is None else repr(record.last_used_at)
        done = await self._run(
            "replace_key", names.records, names.ids, names.ids_of(record.tenant),
            words=(record.id, record.digest, record.version, used, record.tenant or "",
                   encode_key(record)),
        )  # fmt: skip
        return bool(done)

    async def note_uses(self, uses: Mapping[KeyId, float]) -> None:
        """Note when keys were used last."""
        rows = list(uses.items())
        for first in range(0, len(rows), PAGE):
            words = [word for key_id, at in rows[first : first + PAGE] for word in (key_id, at)]
            await self._run("note_uses", self._names.records, self._names.ids, words=words)

    # --- tenants

    async def tenant(self, tenant: TenantId) -> TenantRecord | None:
        """Return a tenant."""
        return _tenant(await self._run("read_field", self._names.tenants, words=(tenant,)))

    async def tenants(self, after: str, limit: int) -> list[TenantRecord]:
        """List tenants by id."""
        names = self._names
        found = await self._run("tenants", names.tenants, names.tenant_ids, words=(after, limit))
        return [one for one in map(_tenant, _listed(found)) if one is not None]

    async def put_tenant(self, record: TenantRecord) -> bool:
        """Add a tenant of version 1, or put a changed record in the place of the version before."""
        names = self._names
        words = (record.id, record.version, encode(record))
        return bool(await self._run("put_tenant", names.tenants, names.tenant_ids, words=words))

    async def admit_domain(
        self, tenant: TenantId, project: str, domain: str, *, cap: int, window_seconds: float
    ) -> bool:
        """Note an unregistered domain of a project, if the cap leaves room for it (AN-8)."""
        name = self._names.domains_of(tenant, project)
        return bool(await self._run("admit_domain", name, words=(domain, cap, window_seconds)))

    # --- revocations

    async def revoke(self, revocation: Revocation) -> None:
        """Add a revocation."""
        names = self._names
        words = (revocation.kept_until, encode(revocation))
        await self._run("revoke", names.revocations, names.ends, words=words)

    async def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        """Return the unexpired revocations with a number above `after`, and the newest number."""
        found: list[Revocation] = []
        while True:
            words = (after, PAGE)
            told = await self._run("revocations", self._names.revocations, words=words)
            now, newest, page = _three(told)
            rows = [one.partition(b"|") for one in map(_text, _listed(page))]
            made = (decode(Revocation, text) for _, _, text in rows)
            found += [one for one in made if one.kept_until > _number(now)]
            if len(rows) < PAGE:
                return int(_number(newest)), found
            after = int(rows[-1][0])

    # --- blocks

    async def put_block(self, block: Block, most: int) -> bool:
        """Add a block, or put it in the place of the one of its kind and value."""
        until = "" if block.until is None else repr(block.until)
        words = (block.id, until, encode(block), most)
        return bool(await self._run("put_block", *self._block_names, words=words))

    async def blocks(self, after: str, limit: int) -> list[Block]:
        """List the blocks in force by id."""
        names, found = self._names, list[Block]()
        while len(found) < limit:
            length = min(limit, PAGE)
            told = await self._run("blocks", names.blocks, names.block_ids, words=(after, length))
            now, page = _two(told)
            read = [decode(Block, _text(one)) for one in _listed(page)]
            found += [one for one in read if not one.is_over(_number(now))]
            if len(read) < length:
                break
            after = read[-1].id
        return found[:limit]

    async def remove_block(self, kind: BlockKind, value: str) -> bool:
        """Lift a block; False when there was none in force."""
        words = (Block(kind, value).id,)
        return bool(await self._run("remove_block", *self._block_names, words=words))

    @property
    def _block_names(self) -> tuple[str, str, str]:
        names = self._names
        return names.blocks, names.block_ids, names.block_ends

    # --- secrets

    async def put_secret(self, tenant: str, name: str, sealed: bytes) -> None:
        """Set a secret."""
        words = (name, sealed, tenant)
        await self._run("put_secret", self._names.secrets_of(tenant), words=words)

    async def sealed_secret(self, tenant: str, name: str) -> bytes | None:
        """Return a secret as it was sealed."""
        found = await self._run("read_field", self._names.secrets_of(tenant), words=(name,))
        return None if found is None else _text(found)

    async def secret_names(self, tenant: str) -> list[str]:
        """List the names of a tenant's secrets."""
        found = await self._run("list_fields", self._names.secrets_of(tenant))
        return sorted(_text(one).decode(errors="backslashreplace") for one in _listed(found))

    async def delete_secret(self, tenant: str, name: str) -> bool:
        """Delete a secret; False when there was none."""
        words = (name, tenant)
        return bool(await self._run("delete_secret", self._names.secrets_of(tenant), words=words))

    # --- changes

    async def changes(self, after: int | None, mark: bytes = b"") -> Changes:
        """Return the changes after a revision."""
        words = ("" if after is None else after, mark)
        now, revision, newest, is_whole, entries = _listed(await self._run("changes", words=words))
        items = [_change(_text(one)) for one in _listed(entries)]
        known = tuple(one for one in items if one is not None)
        # What cannot be read may be about anything: it is as good as lost.
        is_complete = bool(is_whole) and len(known) == len(items)
        return Changes(
            int(_number(revision)), known, is_complete=is_complete,
            now=_number(now), mark=_text(newest),
        )  # fmt: skip

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` at each change, until the subscription breaks.

        Raises:
            StoreUnavailableError: it broke.
        """
        await self._server.listen(self._names.channel, wake)


def _key(value: object) -> KeyRecord | None:
    if value is None:
        return None
    try:
        _, used, _, text = _text(value).split(b"|", 3)
        last_used_at = float(used) if used else None
    except ValueError as error:
        raise UnreadableRecordError(UNREADABLE) from error
    return decode_key(text, last_used_at)


def _tenant(value: object) -> TenantRecord | None:
    return None if value is None else decode(TenantRecord, _text(value).partition(b"|")[2])


def _change(entry: bytes) -> Change | None:
    try:
        revision, at, kind, name = entry.decode().split("|", 3)
        return Change(int(revision), ChangeKind(kind), name, float(at))
    except ValueError:
        return None  # of a newer version, or garbage


def _two(value: object) -> tuple[object, object]:
    first, second = _listed(value)
    return first, second


def _three(value: object) -> tuple[object, object, object]:
    first, second, third = _listed(value)
    return first, second, third


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise StoreUnavailableError("the server's answer cannot be understood")
    return value


def _text(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise StoreUnavailableError("the server's answer cannot be understood")
    return value


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else float(_text(value))
