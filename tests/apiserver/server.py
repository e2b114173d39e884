"""A real kube-apiserver with its etcd, as ordinary processes on loopback, and a client."""

import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trustme

from tests.ports import HOST, free_port

# Objects are trees of mappings and lists without fixed types.
Tree = dict[str, Any]

ADMIN: Final = "admin"
_TOKEN: Final = "of-the-test"  # noqa: S105 -- it is good for this run, on loopback
READY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said.

    Attributes:
        status: HTTP status code.
        tree: the object, or a Status that says why not.
        warnings: for whoever asked.
    """

    status: int
    tree: Tree
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to the API.

    Attributes:
        method: of HTTP.
        path: with its query.
        body: an object or a patch; None for none.
        user: on whose behalf; empty for the administrator.
        groups: of that user.
        content_type: of the body.
    """

    method: str
    path: str
    body: Any = None
    user: str = ""
    groups: tuple[str, ...] = ()
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class ApiServer:
    """An API server that runs.

    Attributes:
        port: of 127.0.0.1, over TLS.
        trust: whom to believe.
    """

    port: int
    trust: ssl.SSLContext

    def ask(self, asked: Ask) -> Answer:
        """Ask it as the administrator, on behalf of somebody else if need be."""
        connection = http.client.HTTPSConnection(
            HOST, self.port, context=self.trust, timeout=READY_SECONDS
        )
        try:
            return self._asked(connection, asked)
        finally:
            connection.close()

    def _asked(self, connection: http.client.HTTPSConnection, asked: Ask) -> Answer:
        connection.putrequest(asked.method, asked.path)
        connection.putheader("Authorization", f"Bearer {_TOKEN}")
        connection.putheader("Accept", JSON)
        body = b"" if asked.body is None else json.dumps(asked.body).encode()
        if body:
            connection.putheader("Content-Type", asked.content_type)
        connection.putheader("Content-Length", str(len(body)))
        if asked.user:
            connection.putheader("Impersonate-User", asked.user)
        for group in asked.groups:
            connection.putheader("Impersonate-Group", group)
        connection.endheaders(body)
        answer = connection.getresponse()
        warnings = [_quoted(one) for one in answer.headers.get_all("Warning", [])]
        said = answer.read()
        is_json = answer.headers.get_content_type() == JSON
        return Answer(answer.status, json.loads(said) if is_json else {}, warnings)

    def made(self, path: str, tree: Mapping[str, Any]) -> Tree:
        """Create an object that nothing stands in the way of."""
        answer = self.ask(Ask("POST", path, dict(tree)))
        assert answer.status == http.client.CREATED, answer
        return answer.tree

    def version(self) -> str:
        return str(self.ask(Ask("GET", "/version")).tree["gitVersion"])

    def _is_ready(self) -> bool:
        try:
            return self.ask(Ask("GET", "/readyz")).status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def becomes_ready(self, child: subprocess.Popen[bytes]) -> None:
        """Wait until it answers."""
        wait_for(lambda: child.poll() is not None or self._is_ready())
        assert child.poll() is None, "the API server ended; its log says why"


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + READY_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(LOOK_SECONDS)


def _quoted(warning: str) -> str:
    """Read the text of `299 - "text"` (RFC 7234 §5.5)."""
    text: str = json.loads(warning.split(" ", 2)[2])
    return text


@contextmanager
def ended(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """See to it that a process ends with the block."""
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@contextmanager
def etcd(binaries: Path, folder: Path) -> Iterator[str]:
    """Run etcd until the block ends, and give its address."""
    own, peers = (f"http://{HOST}:{free_port()}" for _ in range(2))
    words = [f"--data-dir={folder / 'etcd'}", f"--listen-peer-urls={peers}"]
    words += [f"--listen-client-urls={own}", f"--advertise-client-urls={own}"]
    with (folder / "etcd.log").open("wb") as log:
        child = subprocess.Popen([binaries / "etcd", *words], stdout=log, stderr=log)  # noqa: S603 -- our own words
        with ended(child):
            yield own


@contextmanager
def api_server(binaries: Path, folder: Path) -> Iterator[ApiServer]:
    """Run an API server until the block ends.

    Args:
        binaries: folder with kube-apiserver and etcd, as ci/apiserver.sh makes it.
        folder: for its data, its certificates and its log.
    """
    authority = trustme.CA()
    certificate, key = folder / "api.crt", folder / "api.key"
    issued = authority.issue_cert(HOST)
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{_TOKEN},{ADMIN},{ADMIN},"system:masters"\n')
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    running = ApiServer(free_port(), trust)
    with etcd(binaries, folder) as store, (folder / "api.log").open("wb") as log:
        words = [
            f"--etcd-servers={store}", f"--bind-address={HOST}", f"--secure-port={running.port}",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}",
            f"--cert-dir={folder}", f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
            "--service-account-issuer=https://api.test", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24",
            "--feature-gates=EphemeralContainers=true", "--v=2",
        ]  # fmt: skip
        child = subprocess.Popen(  # noqa: S603 -- our own words, no shell
            [binaries / "kube-apiserver", *words], stdout=log, stderr=log
        )
        with ended(child):
            running.becomes_ready(child)
            yield running
