"""Where an operator's commands act: on the store of a policy, or on a running sidecar.

Both ways call the same rows of the same table (`lifecycle/operations.py`), here or over the admin
API, so that words, answers and refusals are the same.
"""

import asyncio
import json
import os
import pwd
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import click
from click.core import ParameterSource

from sidecar.adapters.audit.scribe import COMMAND
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import reading
from sidecar.adapters.stores.opening import open_store
from sidecar.cli.exit_codes import FAILED, NO, USAGE, CommandError, ExitCode
from sidecar.lifecycle.desk import operations_of
from sidecar.lifecycle.errors import BadValueError, LifecycleError
from sidecar.lifecycle.keys import Source
from sidecar.lifecycle.operations import PAGE_MAX, Operation
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Store
from sidecar.policy.load import load
from sidecar.policy.schema.state import State

if TYPE_CHECKING:
    from aiohttp import StreamReader

P = ParamSpec("P")
T = TypeVar("T")

Document = Mapping[str, object]

_STDERR: Final = 2
# A reload may take so long; anything else is given up by the sidecar after 10 s.
_ANSWER_SECONDS: Final = 110.0
_ANSWER_BYTES: Final = 16 << 20
_WITHOUT: Final[Mapping[str, str]] = {}


class Desk(Protocol):
    """Whoever performs operations."""

    async def call(
        self,
        method: str,
        path: str,
        ids: Mapping[str, str] = _WITHOUT,
        *,
        query: Mapping[str, str] = _WITHOUT,
        body: Document | None = None,
    ) -> Document:
        """Perform the operation of a method and a path such as `/v1/keys/{id}`.

        Raises:
            CommandError: it was not done.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command acts.

    Attributes:
        policy: file of the policy whose store it is; None for a running sidecar.
        admin: URL of the admin listener; empty for a store.
        token_file: file with the token.
    """

    policy: str | None
    admin: str
    token_file: str | None

    def call(
        self,
        method: str,
        path: str,
        ids: Mapping[str, str] = _WITHOUT,
        *,
        query: Mapping[str, str] = _WITHOUT,
        body: Document | None = None,
    ) -> Document:
        """Perform one operation.

        Raises:
            CommandError: it was not done.
        """
        return self.run(lambda desk: desk.call(method, path, ids, query=query, body=body))

    def run(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        """Perform several operations; they are in the audit when this returns.

        Raises:
            CommandError: one was not done.
        """
        return asyncio.run(self._run(work))

    async def _run(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        if self.policy is None:
            async with _remote(self.admin, _token(self.token_file)) as desk:
                return await work(desk)
        async with _direct(self.policy) as desk:
            return await work(desk)


def operated(command: Callable[Concatenate[Place, P], T]) -> Callable[P, T]:
    """Give a command the options that say where it acts, and the place as first argument."""

    @click.option(
        "--policy",
        envvar="SIDECAR_POLICY",
        metavar="FILE",
        help="Act on the state store of this policy. [env: SIDECAR_POLICY]",
    )
    @click.option(
        "--admin",
        envvar="SIDECAR_ADMIN",
        metavar="URL",
        help="Act on a running sidecar, through its admin listener. [env: SIDECAR_ADMIN]",
    )
    @click.option(
        "--token-file",
        envvar="SIDECAR_ADMIN_TOKEN_FILE",
        metavar="FILE",
        help="File with the token for --admin. [env: SIDECAR_ADMIN_TOKEN_FILE]",
    )
    @wraps(command)
    def placed(*args: P.args, **kwargs: P.kwargs) -> T:
        policy, admin = kwargs.pop("policy"), kwargs.pop("admin")
        token_file = kwargs.pop("token_file")
        place = _place(_text(policy), _text(admin), _text(token_file))
        return command(place, *args, **kwargs)

    return placed


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _place(policy: str | None, admin: str | None, token_file: str | None) -> Place:
    if policy is None and admin is None:
        raise click.UsageError(
            "say where: --policy FILE for its state store, or --admin URL --token-file FILE for a"
            " running sidecar"
        )
    if admin is not None and (policy is None or not _is_preferred("policy", "admin")):
        return running(admin, token_file)
    return Place(policy, "", None)


def running(admin: str, token_file: str | None) -> Place:
    """Act on a running sidecar, by the URL of its admin listener and a file with a token."""
    if token_file is None:
        raise click.UsageError("--admin needs --token-file FILE, a file with one of its tokens")
    return Place(None, _url(admin), token_file)


def _is_preferred(policy: str, admin: str) -> bool:
    """Tell whether the policy's store is meant where both are given: the command line wins."""
    context = click.get_current_context()
    written = [
        context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        for name in (policy, admin)
    ]
    if all(written):
        raise click.UsageError("give either --policy or --admin")
    return written[0]


def _url(admin: str) -> str:
    parts = urlsplit(admin)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
        raise click.UsageError("--admin is no URL of an admin listener: http://127.0.0.1:9901")
    return f"{parts.scheme}://{parts.netloc}"


def _token(token_file: str | None) -> str:
    content = b"" if token_file is None else reading(token_file)(token_file)
    token = content.decode("ascii", "replace").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise CommandError(f"{token_file} holds no token", USAGE)
    return token


async def all_of(
    desk: Desk, path: str, name: str, query: Mapping[str, str] = _WITHOUT
) -> list[Document]:
    """Fetch a list, page by page.

    Args:
        desk: who has it.
        path: where it is.
        name: member of each page that holds a part of it.
        query: which part of it is wanted.
    """
    found: list[Document] = []
    after: object = ""
    while after is not None:
        asked = {**query, "limit": str(PAGE_MAX), "after": str(after)}
        page = await desk.call("GET", path, query=asked)
        listed, after = page[name], page["next"]
        found += listed if isinstance(listed, list) else []
    return found


# --- on a store


class Direct:
    """Performs operations here."""

    def __init__(self, operations: tuple[Operation, ...], actor: str) -> None:
        self._operations = {(one.method, one.path): one for one in operations}
        self._actor = actor

    async def call(
        self,
        method: str,
        path: str,
        ids: Mapping[str, str] = _WITHOUT,
        *,
        query: Mapping[str, str] = _WITHOUT,
        body: Document | None = None,
    ) -> Document:
        """Perform an operation as `Desk` says."""
        operation = self._operations[method, path]
        content = b"" if body is None else json.dumps(body).encode()
        try:
            return await operation.perform(self._actor, ids, query.items(), content)
        except LifecycleError as error:
            code = USAGE if isinstance(error, BadValueError) else NO
            raise CommandError(_with_hint(error.message, error.hint), code) from error
        except StoreUnavailableError as error:
            raise CommandError(error.reason, FAILED) from error


@asynccontextmanager
async def _direct(name: str) -> AsyncIterator[Desk]:
    loaded = load(name, reading(name), os.environ)
    policy = loaded.policy
    new_id = UuidV7(time.time, os.urandom)
    audit = AuditLedger(
        policy.audit.on(policy.state), time.time, new_id, role=COMMAND, standard=_STDERR
    )
    async with opened_store(policy.state) as store:
        await audit.start()
        try:
            source = Source(time.time, os.urandom, new_id)
            yield Direct(operations_of(policy, store, audit, source), actor_name())
        finally:
            await audit.close()


@asynccontextmanager
async def opened_store(section: State) -> AsyncIterator[Store]:
    """Open the store of a policy.

    Raises:
        CommandError: it cannot be used, or is the memory of another process.
    """
    if section.store == "memory":
        raise CommandError(
            "the policy keeps its state in memory, where only the running sidecar has it"
            " (--admin URL --token-file FILE)",
            USAGE,
        )
    try:
        store = open_store(section, os.environ)
        await store.open()
    except StoreUnavailableError as error:
        raise CommandError(error.reason, FAILED) from error
    try:
        yield store
    finally:
        await store.close()


def actor_name() -> str:
    """Name whoever runs a command, for the audit."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container's user often has no name
        return f"cli:{os.getuid()}"


# --- on a running sidecar


class _Remote:
    """Has a running sidecar perform operations."""

    def __init__(self, fetch: "_Fetch", url: str) -> None:
        self._fetch = fetch
        self._url = url

    async def call(
        self,
        method: str,
        path: str,
        ids: Mapping[str, str] = _WITHOUT,
        *,
        query: Mapping[str, str] = _WITHOUT,
        body: Document | None = None,
    ) -> Document:
        quoted = {name: quote(value, safe="") for name, value in ids.items()}
        status, content = await self._fetch(method, self._url + path.format(**quoted), query, body)
        document = _document(content)
        if status >= 300:  # noqa: PLR2004 -- the classes of statuses that are no success
            raise _refused(status, document or {})
        if document is None:
            raise CommandError(f"{self._url} does not answer like an admin listener", FAILED)
        return document


_Fetch = Callable[[str, str, Mapping[str, str], Document | None], Awaitable[tuple[int, bytes]]]


@asynccontextmanager
async def _remote(url: str, token: str) -> AsyncIterator[Desk]:
    # Commands that act on a store need no HTTP client.
    import aiohttp
    from yarl import URL

    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:

        async def fetch(
            method: str, target: str, query: Mapping[str, str], body: Document | None
        ) -> tuple[int, bytes]:
            try:
                address = URL(target, encoded=True).with_query(dict(query))
                async with session.request(
                    method, address, json=body, allow_redirects=False
                ) as answer:
                    return answer.status, await _content(answer.content)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) or "it did not answer in time"
                raise CommandError(f"{url} cannot be asked: {reason}", FAILED) from error

        yield _Remote(fetch, url)


async def _content(stream: "StreamReader") -> bytes:
    content = bytearray()
    async for piece in stream.iter_any():
        content += piece
        if len(content) > _ANSWER_BYTES:
            raise CommandError("the answer is too long for one of an admin listener", FAILED)
    return bytes(content)


def _document(content: bytes) -> Document | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refused(status: int, document: Document) -> CommandError:
    """Say why a running sidecar did not do it; one that is no such listener has no `detail`."""
    detail = document.get("detail")
    if not isinstance(detail, str):
        return CommandError(_UNSAID.get(status, f"the sidecar answered {status}"), FAILED)
    hint = document.get("hint")
    message = _with_hint(detail, hint if isinstance(hint, str) else "")
    return CommandError(message, _CODES.get(status, FAILED))


_CODES: Final[Mapping[int, ExitCode]] = {400: USAGE, 404: NO, 409: NO}
_UNSAID: Final = {
    401: "the sidecar does not know the token",
    403: "the token may only look, or the host name of --admin is not the listener's",
    404: "there is no admin API for this: the sidecar's policy names no admin.tokens, or keeps no"
    " state",
}


def _with_hint(message: str, hint: str) -> str:
    return f"{message} ({hint})" if hint else message
