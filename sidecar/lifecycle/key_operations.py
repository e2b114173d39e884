"""What may be asked about keys: the rows of the table, and the documents that answer."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from sidecar.lifecycle.breach import Breach, Ended, Response
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.key_drafts import KeyDraft
from sidecar.lifecycle.key_import import ImportedKeys, KeyImport
from sidecar.lifecycle.keys import Keys, MadeKey, Source
from sidecar.lifecycle.moments import read_expiry
from sidecar.lifecycle.operations import PAGED, Call, Operation, page_of
from sidecar.lifecycle.tenant_facts import tenant_id
from sidecar.model.identity import KeyRecord
from sidecar.model.moments import write_moment
from sidecar.policy.schema.quantities import Duration, Flag
from sidecar.policy.schema.section import Section

Document = Mapping[str, object]

_KEY = "/v1/keys/{id}"


class Rotation(Section):
    """How a key is rotated.

    Attributes:
        grace: how long the old key is still good; 0 revokes it at once.
        expires: when the new key ends; when the old one would have if left out.
    """

    grace: Duration = 0.0
    expires: str | None = None


class BreachResponse(Section):
    """What is to be done about a breach.

    Attributes:
        rotate: true replaces active keys instead of revoking them.
        grace: how long a replaced key is still good.
        before: `before` of the answer to the call that this one goes on with.
        after: likewise `after`.
    """

    rotate: Flag = False
    grace: Duration = 0.0
    before: Annotated[float | None, Field(ge=0)] = None
    after: Annotated[str, Field(max_length=64)] = ""


class KeyDesk:
    """Answers what is asked about keys.

    Args:
        keys: the keys.
        imports: takes keys in.
        breach: ends a tenant's.
        source: the clock.
    """

    def __init__(self, keys: Keys, imports: KeyImport, breach: Breach, source: Source) -> None:
        self._keys = keys
        self._imports = imports
        self._breach = breach
        self._source = source

    def operations(self) -> tuple[Operation, ...]:
        """List the rows."""
        listed = PAGED | {"tenant"}
        return (
            Operation("GET", "/v1/keys", self._list, query=listed),
            Operation("POST", "/v1/keys", self._create, has_body=True, status=201),
            Operation("POST", "/v1/keys/import", self._import, has_body=True),
            Operation("GET", _KEY, self._show),
            Operation("POST", f"{_KEY}/rotate", self._rotate, has_body=True, status=201),
            Operation("POST", f"{_KEY}/revoke", self._revoke),
            Operation("POST", f"{_KEY}/disable", self._disable),
            Operation("POST", f"{_KEY}/enable", self._enable),
            Operation("POST", "/v1/tenants/{id}/breach", self._respond, has_body=True),
        )

    async def _create(self, call: Call) -> Document:
        return made_document(await self._keys.create(call.actor, call.read(KeyDraft)))

    async def _list(self, call: Call) -> Document:
        after, limit = call.page()
        tenant = call.query.get("tenant")
        owner = None if tenant is None else tenant_id(tenant)
        records = await self._keys.page(owner, after, limit)
        return page_of("keys", [key_document(record) for record in records], limit)

    async def _show(self, call: Call) -> Document:
        return key_document(await self._keys.show(call.ids["id"]))

    async def _rotate(self, call: Call) -> Document:
        rotation = call.read(Rotation)
        expires = rotation.expires
        ends = None if expires is None else read_expiry("expires", expires, self._source.clock())
        made = await self._keys.rotate(call.actor, call.ids["id"], rotation.grace, ends)
        return made_document(made)

    async def _revoke(self, call: Call) -> Document:
        return key_document(await self._keys.revoke(call.actor, call.ids["id"]))

    async def _disable(self, call: Call) -> Document:
        return key_document(await self._keys.disable(call.actor, call.ids["id"]))

    async def _enable(self, call: Call) -> Document:
        return key_document(await self._keys.enable(call.actor, call.ids["id"]))

    async def _import(self, call: Call) -> Document:
        imported = await self._imports.take(call.actor, call.read(ImportedKeys))
        ids = [record.id for record in imported.records]
        return {"imported": ids, "known": imported.known}

    async def _respond(self, call: Call) -> Document:
        body = call.read(BreachResponse)
        if body.grace and not body.rotate:
            raise BadValueError("grace is for keys that are rotated", "rotate, or no grace")
        tenant = tenant_id(call.ids["id"])
        response = Response(tenant, body.rotate, body.grace, body.before, body.after)
        return _ended_document(await self._breach.respond(call.actor, response))


def key_document(record: KeyRecord) -> Document:
    """Write what is stored of a key, less its digest."""
    return {
        "id": record.id,
        "prefix": record.prefix,
        "tenant": record.tenant,
        "subject": record.subject,
        "kind": record.kind,
        "status": record.status.value,
        "roles": list(record.roles),
        "scopes": list(record.scopes),
        "tier": record.tier,
        "project": record.project,
        "read_only": record.is_read_only,
        "addresses": list(record.addresses),
        "label": record.label,
        "pepper": record.pepper,
        "created": write_moment(record.created_at),
        "created_by": record.created_by,
        "not_before": _moment(record.not_before),
        "expires": _moment(record.expires_at),
        "changed": write_moment(record.changed_at),
        "last_used": _moment(record.last_used_at),
        "replaced_by": record.replaced_by,
    }


def made_document(made: MadeKey) -> Document:
    """Write a key that was just made, and what is stored of it (SE-2)."""
    return {"key": made.key.reveal().decode(), **key_document(made.record)}


def _ended_document(ended: Ended) -> Document:
    rotated = [{"replaces": old, **made_document(made)} for old, made in ended.rotated]
    return {
        "revoked": ended.revoked,
        "rotated": rotated,
        "before": ended.before,
        "after": ended.after,
        "complete": ended.is_complete,
        "failure": ended.failure,
    }


def _moment(moment: float | None) -> str | None:
    return None if moment is None else write_moment(moment)
