"""What may be asked about the audit trail: the rows of the table (AU-3).

Every reading is itself an event of the audit, written before anything is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sidecar.adapters.audit.disguise import Disguise
from sidecar.adapters.audit.files import (
    LostPlaceError,
    Page,
    UnreadableFileError,
    read_last,
    read_page,
)
from sidecar.knowledge.audit.query import Query
from sidecar.lifecycle.errors import BadValueError, ConflictError, audited
from sidecar.lifecycle.moments import read_past
from sidecar.lifecycle.operations import Call, Operation
from sidecar.lifecycle.tenant_facts import tenant_id
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.events import ADMIN_ACCESS, AUDIT_EXPORT, AUDIT_READ
from sidecar.model.identity import TenantId
from sidecar.model.ports import Event, Events, Store
from sidecar.model.verdict import Ending
from sidecar.policy.schema.audit import Audit, FileSink
from sidecar.policy.schema.policy import Policy

Document = Mapping[str, object]
TierOf = Callable[[str], Awaitable[str | None]]

_AUDIT: Final = "/v1/audit"
_EXPORT: Final = "/v1/audit/export"
_FILTERS: Final = frozenset(
    {"tenant", "since", "until", "action", "outcome", "actor", "address", "request_id"}
)
_PAGED: Final = frozenset({"after", "limit"})
_LIMIT: Final = 500
_CURSOR_CHARACTERS: Final = 64
_ALL: Final = "*"


def audit_operations(
    policy: Policy, store: Store | None, events: Events, now: Callable[[], float]
) -> tuple[Operation, ...]:
    """List the rows for an installation, which may have no store.

    Args:
        policy: its policy.
        store: its state store, open; None for none.
        events: its audit.
        now: tells Unix seconds.
    """

    async def tier_of(tenant: str) -> str | None:
        own = policy.tenants.get(tenant)
        if own is not None or store is None:
            return None if own is None else own.tier
        record = await store.tenant(TenantId(tenant))
        return None if record is None else record.tier

    return AuditDesk(policy.audit, events, now, tier_of).operations()


class AuditDesk:
    """Answers what is asked about the audit trail.

    Args:
        section: the policy's sinks, and which tiers may have an export.
        events: the audit.
        now: tells Unix seconds.
        tier_of: finds the tier of a tenant.
    """

    def __init__(
        self, section: Audit, events: Events, now: Callable[[], float], tier_of: TierOf
    ) -> None:
        self._section = section
        pseudonyms = section.pseudonyms
        self._disguise = None if pseudonyms is None else Disguise(pseudonyms)
        self._events = events
        self._now = now
        self._tier_of = tier_of

    def operations(self) -> tuple[Operation, ...]:
        """List the rows."""
        return (
            Operation("GET", _AUDIT, self._read, query=_FILTERS | _PAGED | {"last"}),
            Operation("GET", _EXPORT, self._export, query=_FILTERS | _PAGED),
        )

    async def _read(self, call: Call) -> Document:
        return await self._answer(call, AUDIT_READ)

    async def _export(self, call: Call) -> Document:
        return await self._answer(call, AUDIT_EXPORT)

    async def _answer(self, call: Call, action: str) -> Document:
        tenant = call.query.get("tenant")
        call = self._disguised(call)
        asked = {name: value for name, value in call.query.items() if name != "tenant"}
        event = Event(action, call.actor, tenant, "audit", tenant or _ALL, details=asked)
        with audited(self._events, event):
            query = self._query(call)
            if action == AUDIT_EXPORT:
                await self._judge_tier(tenant)
            page = await self._found(call, query)
        if self._section.alerts is not None:
            details = {"operation": f"GET {_EXPORT if action == AUDIT_EXPORT else _AUDIT}"}
            self._events.note_event(
                Event(ADMIN_ACCESS, call.actor, tenant, "audit", tenant or _ALL, details=details)
            )
        return {
            "lines": [line.decode() for line in page.lines],
            "unreadable": page.unreadable,
            "next": page.next or None,
        }

    def _disguised(self, call: Call) -> Call:
        """Put pseudonyms in the place of names, as they are in the records that are looked for."""
        disguise, query = self._disguise, dict(call.query)
        if disguise is None:
            return call
        if "address" in query:
            query["address"] = disguise.address(query["address"])
        if "actor" in query:
            query["actor"] = disguise.subject(query["actor"])
        return replace(call, query=query)

    async def _found(self, call: Call, query: Query) -> Page:
        name = self._file()
        after = call.query.get("after", "")
        if len(after) > _CURSOR_CHARACTERS:
            raise BadValueError("after is no place in the trail", "next of the page before")
        limit = _number("limit", call.query.get("limit", str(_LIMIT)))
        last = call.query.get("last")
        reading = partial(read_page, name, query, after=after, limit=limit)
        if last is not None:
            reading = partial(read_last, name, query, _number("last", last))
        try:
            # Files are read beside the event loop, which may have traffic.
            return await asyncio.to_thread(reading)
        except LostPlaceError:
            raise ConflictError(
                "the file in which the page before ended is gone, by rotation or removal",
                "begin anew, with --since of the last record",
            ) from None
        except UnreadableFileError as error:
            raise StoreUnavailableError(str(error)) from error
        except OSError as error:
            reason = error.strerror or "it cannot be read"
            raise StoreUnavailableError(f"{error.filename or name}: {reason}") from error

    def _file(self) -> str:
        for sink in self._section.sinks:
            if isinstance(sink, FileSink):
                return sink.file
        raise ConflictError(
            "the policy writes its audit trail to no file", "audit: {sinks: [{file: audit.jsonl}]}"
        )

    async def _judge_tier(self, tenant: str | None) -> None:
        tiers = self._section.export_tiers
        if tiers is None or tenant is None:
            return
        tier = await self._tier_of(tenant)
        if tier not in tiers:
            raise ConflictError(
                f"the tier of the tenant {tenant} has no export of the audit trail",
                f"tiers that have one: {', '.join(tiers)} (audit.export_tiers)",
            )

    def _query(self, call: Call) -> Query:
        given = call.query
        tenant = given.get("tenant")
        return Query(
            tenant="" if tenant is None else tenant_id(tenant),
            since=self._moment("since", given.get("since")),
            until=self._moment("until", given.get("until")),
            actions=_listed(given.get("action")),
            outcomes=_outcomes(given.get("outcome")),
            actor=given.get("actor", ""),
            address=given.get("address", ""),
            request_id=given.get("request_id", ""),
        )

    def _moment(self, name: str, text: str | None) -> str:
        if not text:
            return ""
        moment = datetime.fromtimestamp(read_past(name, text, self._now()), UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)


def _outcomes(text: str | None) -> tuple[str, ...]:
    outcomes = _listed(text)
    if unknown := [one for one in outcomes if one not in set(Ending)]:
        raise BadValueError(f"{unknown[0][:32]!a} is no outcome", ", ".join(Ending))
    return outcomes


def _number(name: str, text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("500") else 0
    if not 1 <= number <= _LIMIT:
        raise BadValueError(f"{name} is no number of records", f"1 to {_LIMIT}")
    return number
