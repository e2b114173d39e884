"""The webhook as it is run, and a wire that keeps what passes between it and API servers."""

import base64
import http.client
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import trustme

from tests.apiserver.server import ended, wait_for
from tests.ports import HOST, free_port

IMAGE: Final = "tenant-sidecar:0.1.0"
POLICY: Final = "sidecar-policy"
SECONDS: Final = 20.0


class Pair:
    """A certificate and its key in files, and the authority that API servers are to believe."""

    def __init__(self, folder: Path, name: str = "tls") -> None:
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        self.issue()

    def issue(self) -> None:
        """Put a certificate of a new authority there."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert(HOST)
        for file, pem in (
            (self.key, issued.private_key_pem),
            (self.certificate, issued.cert_chain_pems[0]),
        ):
            draft = file.with_suffix(".new")
            pem.write_to_path(draft)
            draft.replace(file)

    def bundle(self) -> bytes:
        return self.authority.cert_pem.bytes()

    def serves(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@dataclass(frozen=True, slots=True)
class Running:
    """A `sidecar webhook` that serves.

    Attributes:
        port: for API servers.
        probes: for probes and metrics.
        child: its process.
    """

    port: int
    probes: int
    child: subprocess.Popen[bytes]

    def metrics(self) -> str:
        connection = http.client.HTTPConnection(HOST, self.probes, timeout=SECONDS)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text


@contextmanager
def webhook(pair: Pair, port: int = 0) -> Iterator[Running]:
    """Run the command until the block ends."""
    port, probes = port or free_port(), free_port()
    words = ["--certificate", str(pair.certificate), "--key", str(pair.key), "--image", IMAGE]
    words += ["--policy", POLICY, "--listen", f"{HOST}:{port}", "--health", f"{HOST}:{probes}"]
    log = pair.key.with_suffix(".log")
    with log.open("wb") as errors:
        child = subprocess.Popen(  # noqa: S603 -- our own words, no shell
            [sys.executable, "-m", "sidecar", "webhook", *words], stderr=errors
        )
        with ended(child):
            wait_for(lambda: b"serving on" in log.read_bytes())
            yield Running(port, probes, child)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A review and its answer, as they passed.

    Attributes:
        path: with the query.
        fields: of the request's head.
        request: its body.
        status: HTTP status code.
        answer: the body of the answer.
    """

    path: str
    fields: dict[str, str]
    request: bytes
    status: int
    answer: bytes


class Wire(ThreadingHTTPServer):
    """Stands between an API server and the webhook, and passes on what each says.

    Attributes:
        seen: what passed.
    """

    daemon_threads = True

    def __init__(self, pair: Pair, behind: int) -> None:
        super().__init__((HOST, 0), _Passing)
        self.seen: list[Exchanged] = []
        self.trust = pair.trust()
        self.behind = behind
        self.socket = pair.serves().wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def taken(self) -> list[Exchanged]:
        """Take what passed since the last time."""
        taken, self.seen = self.seen, []
        return taken


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Wire

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPSConnection(
            HOST, self.server.behind, context=self.server.trust, timeout=SECONDS
        )
        connection.request("POST", self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        fields = dict(self.headers.items())
        self.server.seen.append(Exchanged(self.path, fields, body, answer.status, said))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- likewise
        """Say nothing."""


@contextmanager
def wire(pair: Pair, behind: int) -> Iterator[Wire]:
    """Stand in front of a webhook until the block ends."""
    between = Wire(pair, behind)
    threading.Thread(target=between.serve_forever, daemon=True).start()
    try:
        yield between
    finally:
        between.shutdown()
        between.server_close()


def in_base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
