"""Two tenants, four roles, three kinds of key, two issuers: every caller on every route."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.corpora.reader import Message
from tests.e2e.callers import Caller, admit_all, callers, sections
from tests.e2e.conftest import running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get
from tests.stores.servers import valkey

TABLE: Final = Path(__file__).with_name("callers.txt").read_text(encoding="utf-8")
REQUESTS: Final = {
    "public": (b"GET", b"/public"),
    "any": (b"GET", b"/any"),
    "dev": (b"POST", b"/dev"),
    "admin": (b"POST", b"/admin"),
    "acme": (b"GET", b"/orgs/acme/items"),
    "globex": (b"GET", b"/orgs/globex/items"),
    "create": (b"POST", b"/create"),
    "delete": (b"DELETE", b"/delete"),
    "transfer": (b"POST", b"/transfer"),
    "scoped": (b"POST", b"/scoped"),
    "service": (b"GET", b"/service"),
    "shop": (b"GET", b"/projects/shop"),
    "keys": (b"GET", b"/keys-only"),
}
ROLES: Final = {"any": "viewer", "dev": "developer", "admin": "admin"}
HOLDERS: Final = {
    "create": "project.create needs one of owner, admin, developer",
    "delete": "project.delete needs one of owner, admin",
    "transfer": "project.transfer needs one of owner, developer",
}
REASONS: Final = {
    "m": "permission project.transfer needs login by sso",
    "K": "the route accepts keys of kind service alone",
    "s": "the credential lacks one of the scopes orders:write",
    "o": "a read-only credential reaches GET, HEAD and OPTIONS alone",
    "t": "the request names a tenant that is not the caller's",
    "x": "the request names a project that is not the tenant's",
    "d": "domain not registered for the project",
}


class Row(NamedTuple):
    """One request of the table."""

    caller: str
    request: str
    cell: str


def rows() -> Iterator[Row]:
    for line in TABLE.splitlines():
        if line and not line.startswith("#"):
            caller, *cells = line.split()
            yield from (Row(caller, name, cell) for name, cell in zip(REQUESTS, cells, strict=True))


def expected(row: Row, caller: Caller, kind: str) -> Entry:
    """Say what the audit record of a request must hold."""
    if row.cell == ".":
        return Entry("admitted", 200, None, None)
    if row.cell in "uU":
        reason = caller.reason if row.cell == "u" else "jwt is not accepted here"
        return Entry("refused", 401, "UNAUTHORIZED", reason)
    code = "INSUFFICIENT_SCOPE" if row.cell == "s" else "FORBIDDEN"
    by_request = {
        "r": f"role below {ROLES.get(row.request, 'viewer')}",
        "p": f"permission {HOLDERS.get(row.request)}",
        "k": f"key kind {kind} is not accepted",
    }
    return Entry("refused", 403, code, by_request.get(row.cell) or REASONS[row.cell])


@contextmanager
def a_store(kind: str, folder: Path) -> Iterator[Mapping[str, object]]:
    if kind == "redis":
        with valkey() as server:
            yield {"store": server.url}
    else:
        yield {"store": "memory" if kind == "memory" else f"sqlite:{folder / 'state.db'}"}


@pytest.mark.control("AN-6")
@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_every_caller_gets_what_the_table_says(kind: str, tmp_path: Path) -> None:
    table, known, echo = list(rows()), callers(), Echo.new()
    assert len(table) >= 200
    with a_store(kind, tmp_path) as state:
        async with a_service(echo) as service:
            policy = a_policy(service.url, **sections(tmp_path, state))
            async with running(policy, tmp_path) as proxy, a_client(proxy.port) as client:
                await admit_all(proxy.store)
                answers = [
                    await client.ask(asking(known[row.caller], row.request)) for row in table
                ]
                records = await entries(proxy)
    wanted = [expected(row, known[row.caller], kind_of(row.caller)) for row in table]
    found = dict(zip(table, records, strict=True))
    assert {
        row: found[row] for row, want in zip(table, wanted, strict=True) if found[row] != want
    } == {}
    assert [answer.status for answer in answers] == [record.status for record in records]
    refused = [answer for answer in answers if answer.status == 401]
    assert len({face_of(answer) for answer in refused}) == 1
    assert len(echo.requests) == sum(row.cell == "." for row in table)


def asking(caller: Caller, request: str) -> bytes:
    method, target = REQUESTS[request]
    return get(target, *caller.lines, method=method)


def kind_of(caller: str) -> str:
    return {"publishable": "publishable", "elsewhere": "publishable", "service": "service"}.get(
        caller, "secret"
    )


def face_of(answer: Message) -> tuple[object, ...]:
    """Return everything of an answer but what differs with time and request (AN-6)."""
    fields = [(name.lower(), value) for name, value in answer.fields]
    return (
        answer.start,
        tuple(field for field in fields if field[0] not in {b"date", b"x-request-id"}),
        answer.body,
    )
