"""Calls of our own over HTTP: bounded in time and size, and never led anywhere else.

What is called stands in the policy. Whoever answers there may be slow, wrong or broken into, so
nothing that it says makes the sidecar wait, swell, or speak to another host (RFC 8725 §3.10).
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from sidecar.model.errors import StoreUnavailableError

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOPS: Final = 3
_OK: Final = 200
_TAKEN: Final = frozenset({201, 202, 204})
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        url: http or https.
        ca: file with the authorities to trust; None for the system's.
        timeout_seconds: time for all of it, redirects included.
        limit_bytes: longest body of the answer.
        form: fields to post; None to get.
        user: name and password for Basic authentication; None for none.
        content: body to post instead of a form; None for none.
        fields: further header fields.
    """

    url: str
    ca: str | None
    timeout_seconds: float
    limit_bytes: int
    form: Mapping[str, str] | None = field(default=None, repr=False)
    user: tuple[str, str] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_post(self) -> bool:
        """Whether something is sent; else something is fetched."""
        return self.form is not None or self.content is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call; its status was 200, or another that says that content was taken.

    Attributes:
        body: the whole body.
        cache_control: value of Cache-Control; empty when there is none.
    """

    body: bytes
    cache_control: str


class GuardedSession:
    """Makes calls; to be closed.

    No cookies, no proxy of the environment, no compression. Redirects stay on scheme, host and
    port, and only for what is fetched.

    Args:
        connections: most connections at a time.
    """

    def __init__(self, connections: int = 16) -> None:
        self._connections = connections
        self._session: ClientSession | None = None
        self._trust: dict[str, ssl.SSLContext] = {}

    async def call(self, call: Call) -> Answer:
        """Make a call.

        Raises:
            StoreUnavailableError: no answer of status 200 in time, or too large a one.
        """
        place = _place(URL(call.url))
        try:
            async with asyncio.timeout(call.timeout_seconds):
                return await self._follow(call)
        except TimeoutError as error:
            raise StoreUnavailableError(f"{place} did not answer in time") from error
        except (ClientError, OSError, ValueError) as error:
            # The text of such an error may hold the URL with its query.
            kind = type(error).__name__
            raise StoreUnavailableError(f"{place} cannot be asked ({kind})") from None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _follow(self, call: Call) -> Answer:
        url = start = URL(call.url)
        for _ in range(_HOPS + 1):
            async with await self._request(call, url) as response:
                if response.status not in _REDIRECTS or call.is_post:
                    return await _read(response, call, _place(url))
                url = url.join(URL(response.headers.get("Location", "")))
            if url.origin() != start.origin():
                raise StoreUnavailableError(f"{_place(start)} redirects to another origin")
        raise StoreUnavailableError(f"{_place(start)} redirects too often")

    async def _request(self, call: Call, url: URL) -> ClientResponse:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=self._connections),
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            )
        basic = {} if call.user is None else _basic(*call.user)
        return await self._session.request(
            "POST" if call.is_post else "GET",
            url,
            data=call.form if call.content is None else call.content,
            headers={**_HEADERS, **basic, **call.fields},
            allow_redirects=False,
            ssl=self._trust_of(call.ca) if url.scheme == "https" else True,
        )

    def _trust_of(self, ca: str | None) -> ssl.SSLContext:
        key = ca or ""
        if key not in self._trust:
            self._trust[key] = ssl.create_default_context(cafile=ca)
        return self._trust[key]


async def _read(response: ClientResponse, call: Call, place: str) -> Answer:
    limit_bytes = call.limit_bytes
    # Whoever only takes something may answer so, and with nothing.
    is_taken = call.content is not None and response.status in _TAKEN
    if response.status != _OK and not is_taken:
        raise StoreUnavailableError(f"{place} answered {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise StoreUnavailableError(f"{place} answered with compression")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit_bytes:
            # What follows is not read: the connection is closed with the rest of it.
            response.close()
            raise StoreUnavailableError(f"{place} answered more than {limit_bytes} bytes")
    return Answer(bytes(body), response.headers.get("Cache-Control", ""))


def _basic(name: str, password: str) -> dict[str, str]:
    pair = b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _place(url: URL) -> str:
    """Name what was called, without a query or a user."""
    return f"{url.origin()}{url.raw_path}"
