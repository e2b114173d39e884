"""A webhook that serves, and clients that speak to it by hand."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from sidecar.fronts.kube.certificate import Certificate
from sidecar.fronts.kube.door import Bounds
from sidecar.fronts.kube.webhook import USUAL_BOUNDS, Times, Webhook
from sidecar.knowledge.kube.wishes import Settings
from tests.knowledge.kube.inputs import SETTINGS
from tests.knowledge.kube.test_refusals import a_pod
from tests.knowledge.kube.test_review import a_review

NAME: Final = "localhost"
SECONDS: Final = 20.0
TIMES: Final = Times(body=SECONDS, look=0.05)
REVIEW: Final = json.dumps(a_review(a_pod())).encode()


class Place:
    """A folder with a certificate, and the authorities that API servers believe."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.issue()

    def issue(self) -> None:
        """Put a certificate of a new authority there, as cert-manager does."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert(NAME)
        for file, pems in (
            (self.key, [issued.private_key_pem]),
            (self.certificate, issued.cert_chain_pems),
        ):
            draft = file.with_suffix(".new")
            draft.write_bytes(b"".join(pem.bytes() for pem in pems))
            draft.replace(file)

    def trust(self) -> ssl.SSLContext:
        # Not the system's authorities: they take a while to read.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        return context


@asynccontextmanager
async def serving(
    place: Place,
    times: Times = TIMES,
    bounds: Bounds = USUAL_BOUNDS,
    settings: Settings = SETTINGS,
) -> AsyncIterator[Webhook]:
    webhook = Webhook(
        settings,
        Certificate(str(place.certificate), str(place.key)),
        listen=("127.0.0.1", 0),
        health=("127.0.0.1", 0),
        times=times,
        bounds=bounds,
    )
    await webhook.start()
    try:
        yield webhook
    finally:
        await webhook.close()


@dataclass(frozen=True, slots=True)
class Client:
    """A connection that is spoken to by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, body: bytes = REVIEW, *, sent: int | None = None, more: str = "") -> None:
        """Send a review, or the beginning of one."""
        head = f"POST /pods HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body[:sent])
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Read an answer; its status is 0 if the connection ended."""
        try:
            async with asyncio.timeout(SECONDS):
                head = await self.reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                return int(head[9:12]), await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""

    async def is_served(self) -> bool:
        """Tell whether a review is answered."""
        await self.ask()
        return (await self.answer())[0] == 200


@asynccontextmanager
async def connected(
    port: int, trust: ssl.SSLContext | None, address: str = "127.0.0.1"
) -> AsyncIterator[Client]:
    """Connect from an address of this machine."""
    name = None if trust is None else NAME
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname=name, local_addr=(address, 0)
        )
    with closing(writer):
        yield Client(reader, writer)
