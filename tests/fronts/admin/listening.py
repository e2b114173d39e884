"""A listener under test: a sidecar that is what the test says, and requests sent as bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.adapters.audit.record import Asked
from sidecar.model.secret import Secret
from sidecar.policy.schema.admin import AdminToken

# Secrets of a policy are read by its loader; here they are at hand.
READ = AdminToken.model_construct(name="watch", token=Secret(b"read-token"), role="read")
ADMIN = AdminToken.model_construct(name="ops", token=Secret(b"admin-token"), role="admin")


@dataclass
class Sidecar:
    """A sidecar in the state that a test gives it."""

    reasons: list[str] = field(default_factory=list)
    accepts: list[str] = field(default_factory=list)
    failure: Exception | None = None
    seconds: float = 0
    keys: bytes | None = None
    denied: list[tuple[Asked, str | None, str]] = field(default_factory=list)

    def is_ready(self) -> Sequence[str]:
        return self.reasons

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        self.accepts.append(accept)
        return "text/plain; version=1.0.0; charset=utf-8", b"sidecar_connections 0\n"

    async def status(self) -> Mapping[str, object]:
        await asyncio.sleep(self.seconds)
        if self.failure:
            raise self.failure
        return {"version": "1.2.3"}

    def routes(self) -> Sequence[Mapping[str, object]]:
        return [{"template": "/**"}]

    def assertion_keys(self) -> bytes | None:
        return self.keys

    def note(self, asked: Asked, address: str | None, reason: str) -> None:
        self.denied.append((asked, address, reason))


@dataclass(frozen=True)
class Seen:
    """An answer as it came over the wire."""

    status: int
    head: bytes
    body: bytes

    def values(self, name: str) -> list[str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines)
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


async def send(port: int, request: bytes) -> Seen:
    """Send bytes and read until the other side closes or the answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            seen = Seen(int(head.split(b" ", 2)[1]), head, b"")
            length = int((seen.values("Content-Length") or ["0"])[0])
            if request.startswith(b"HEAD"):
                length = 0
            return Seen(seen.status, head, await reader.readexactly(length))
    finally:
        writer.close()


async def ask(port: int, target: str, *lines: str, method: str = "GET") -> Seen:
    """Send a request with these field lines beside Host."""
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]
    return await send(port, "\r\n".join(head).encode())
