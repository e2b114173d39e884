"""How `sidecar audit` reads a trail: the files of a policy, or through a running sidecar."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import click

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import reading
from sidecar.cli.exit_codes import FAILED, CommandError
from sidecar.cli.operator import Desk, Direct, Document, Place, actor_name, opened_store
from sidecar.cli.printing import columns, plain, tell
from sidecar.knowledge.audit.query import record_of
from sidecar.lifecycle.audit_operations import audit_operations
from sidecar.model.verdict import Ending
from sidecar.policy.load import load
from sidecar.policy.schema.policy import Policy

P = ParamSpec("P")
T = TypeVar("T")

AUDIT: Final = "/v1/audit"
EXPORT: Final = "/v1/audit/export"
PAGE: Final = "500"
_STDERR: Final = 2
_SHOWN: Final = ("timestamp", "tenant_id", "actor", "action", "outcome", "resource_id", "reason")
_HEADS: Final = ("TIME", "TENANT", "ACTOR", "ACTION", "OUTCOME", "STATUS", "RESOURCE", "REASON")


def filtered(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command the options that say which records are wanted."""
    for name, metavar, text in reversed(_OPTIONS):
        command = click.option(name, metavar=metavar, help=text)(command)
    outcome = click.option(
        "--outcome",
        "outcomes",
        multiple=True,
        type=click.Choice([ending.value for ending in Ending]),
        help="Records that ended so.",
    )
    action = click.option(
        "--action",
        "actions",
        multiple=True,
        metavar="NAME",
        help="Records of an action, such as key.create; key.* for all that begin so.",
    )
    return wraps(command)(action(outcome(command)))


_OPTIONS: Final = (
    ("--tenant", "ID", "Records of a tenant."),
    ("--since", "WHEN", "From then on: 2h (ago), a date, or RFC 3339."),
    ("--until", "WHEN", "Before then, likewise."),
    ("--actor", "NAME", "Records of a credential, an operator or a subject."),
    ("--address", "IP", "Records of a client's address."),
    ("--request-id", "ID", "The records of one request."),
)


def query_of(options: Mapping[str, object]) -> dict[str, str]:
    """Write the options as the parameters of the admin API."""
    query: dict[str, str] = {}
    for name, value in options.items():
        if isinstance(value, tuple):
            query[name.removesuffix("s")] = ",".join(map(str, value))
        elif value is not None:
            query[name] = str(value)
    return {name: value for name, value in query.items() if value}


def read(place: Place, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Read through a running sidecar, or the files of a policy, which needs no store for it.

    Raises:
        CommandError: it cannot be read.
    """
    if place.policy is None:
        return place.run(work)
    return asyncio.run(_read_here(place.policy, work))


async def _read_here(policy: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    async with _desk(policy) as desk:
        return await work(desk)


@asynccontextmanager
async def _desk(name: str) -> AsyncIterator[Desk]:
    policy = load(name, reading(name), os.environ).policy
    new_id = UuidV7(time.time, os.urandom)
    audit = AuditLedger(
        policy.audit.on(policy.state), time.time, new_id, role="command", standard=_STDERR
    )
    async with AsyncExitStack() as stack:
        store = None
        if _needs_store(policy):
            store = await stack.enter_async_context(opened_store(policy.state))
        await audit.start()
        try:
            operations = audit_operations(policy, store, audit, time.time)
            yield Direct(operations, actor_name())
        finally:
            await audit.close()
        if any(sink.dropped for sink in audit.sinks):
            raise CommandError("that the trail was read could not be recorded", FAILED)


def _needs_store(policy: Policy) -> bool:
    """Tell whether tiers of tenants are asked for that may stand in the store alone."""
    return policy.audit.export_tiers is not None and policy.state.store != "memory"


async def pages(
    desk: Desk, path: str, query: Mapping[str, str]
) -> AsyncIterator[tuple[list[str], int]]:
    """Fetch pages: lines of records, and how many lines were none."""
    after: object = ""
    while after is not None:
        wanted = {**query, "limit": PAGE}
        page = await desk.call("GET", path, query=wanted | ({"after": str(after)} if after else {}))
        yield lines_of(page), _count(page)
        after = page["next"]


def lines_of(page: Document) -> list[str]:
    """Return the lines of a page."""
    lines = page["lines"]
    return [str(line) for line in lines] if isinstance(lines, list) else []


def _count(page: Document) -> int:
    unreadable = page["unreadable"]
    return unreadable if isinstance(unreadable, int) else 0


def tell_unreadable(count: int) -> None:
    """Say that lines were left out."""
    if count:
        tell(f"{count} lines are no records and were left out (sidecar audit verify says which)")


def table_of(lines: list[str]) -> str:
    """Show records as a table for people."""
    return columns([list(_HEADS), *map(_row, lines)])


def _row(line: str) -> list[str]:
    record = record_of(line.encode()) or {}
    metadata = record.get("metadata")
    status = metadata.get("status") if isinstance(metadata, dict) else None
    cells = [plain(record.get(name)) for name in _SHOWN]
    return [*cells[:5], plain(status), *cells[5:]]


def each(lines: list[str]) -> Iterator[Mapping[str, object]]:
    """Read lines as records."""
    return (record for line in lines if (record := record_of(line.encode())) is not None)
