"""A real identity provider over HTTP or HTTPS, as slow, large or broken as a test wants it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Asked:
    """One request that reached the provider."""

    path: str
    fields: dict[str, str]
    authorization: str
    cookies: dict[str, str]


@dataclass(slots=True)
class Provider:
    """Answers every path with one document, unless a test gives a handler."""

    document: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    handler: Handler | None = None
    asked: list[Asked] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event | None = None
    authority: trustme.CA | None = None
    url: str = ""
    runner: web.AppRunner | None = None

    async def open(self, host: str = "127.0.0.1") -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self._tls(host))
        await site.start()
        port = self.runner.addresses[0][1]
        self.url = f"{'http' if self.authority is None else 'https'}://127.0.0.1:{port}"

    async def close(self) -> None:
        if self.go_on is not None:
            self.go_on.set()
        assert self.runner is not None
        await self.runner.cleanup()

    def trust(self, folder: Path) -> str:
        """Write the authority's certificate down, for `ca` of the policy."""
        assert self.authority is not None
        file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(file))
        return str(file)

    def _tls(self, host: str) -> ssl.SSLContext | None:
        if self.authority is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(host).configure_cert(context)
        return context

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        authorization = request.headers.get("Authorization", "")
        self.asked.append(Asked(request.path_qs, fields, authorization, dict(request.cookies)))
        self.arrived.set()
        if self.go_on is not None:
            await self.go_on.wait()
        if self.handler is not None:
            return await self.handler(request)
        return web.Response(body=self.document, status=self.status, headers=self.headers)
