"""What may be asked about tenants: the rows of the table."""

from collections.abc import Mapping
from typing import Final

from sidecar.lifecycle.operations import PAGED, Call, Operation, page_of
from sidecar.lifecycle.tenant_facts import document_of, tenant_id
from sidecar.lifecycle.tenants import Tenants
from sidecar.lifecycle.token_operations import revocation_document

Document = Mapping[str, object]

_TENANTS: Final = "/v1/tenants"
_TENANT: Final = "/v1/tenants/{id}"


class TenantDesk:
    """Answers what is asked about tenants.

    Args:
        tenants: the tenants.
    """

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def operations(self) -> tuple[Operation, ...]:
        """List the rows."""
        return (
            Operation("GET", _TENANTS, self._list, query=PAGED),
            Operation("POST", _TENANTS, self._create, has_body=True, status=201),
            Operation("GET", _TENANT, self._show),
            Operation("PATCH", _TENANT, self._update, has_body=True),
            Operation("DELETE", _TENANT, self._delete),
            Operation("POST", f"{_TENANT}/suspend", self._suspend),
            Operation("POST", f"{_TENANT}/resume", self._resume),
            Operation("POST", f"{_TENANT}/revoke-tokens", self._revoke_tokens, status=201),
        )

    async def _list(self, call: Call) -> Document:
        after, limit = call.page()
        found = await self._tenants.list(after, limit)
        documents: list[Document] = [document_of(one.record, one.source) for one in found]
        return page_of("tenants", documents, limit)

    async def _create(self, call: Call) -> Document:
        facts = {name: value for name, value in call.members.items() if name != "id"}
        tenant = tenant_id(call.members.get("id"))
        record = await self._tenants.create(call.actor, tenant, facts)
        return document_of(record, "store")

    async def _revoke_tokens(self, call: Call) -> Document:
        revocation = await self._tenants.revoke_tokens(call.actor, call.ids["id"])
        return revocation_document("tenant", revocation)

    async def _show(self, call: Call) -> Document:
        known = await self._tenants.show(call.ids["id"])
        return document_of(known.record, known.source)

    async def _update(self, call: Call) -> Document:
        record = await self._tenants.update(call.actor, call.ids["id"], call.members)
        return document_of(record, "store")

    async def _delete(self, call: Call) -> Document:
        return document_of(await self._tenants.delete(call.actor, call.ids["id"]), "store")

    async def _suspend(self, call: Call) -> Document:
        return document_of(await self._tenants.suspend(call.actor, call.ids["id"]), "store")

    async def _resume(self, call: Call) -> Document:
        return document_of(await self._tenants.resume(call.actor, call.ids["id"]), "store")
