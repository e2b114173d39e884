"""The example applications as processes, and requests to them as bytes."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.examples.postgres import Postgres

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "fastapi": ("uvicorn", "fastapi_app:app", "--port", "0"),
    "flask": ("flask", "--app", "flask_app", "run", "--port", "0"),
}
HEADER: Final = "X-Sidecar-Assertion"
_RUNNING: Final = re.compile(rb"running on http://127\.0\.0\.1:(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Application:
    """An example that runs; it can be asked past any sidecar."""

    name: str
    port: int

    def ask(
        self,
        method: str,
        target: str,
        assertion: str | None = None,
        body: object = None,
        fields: Mapping[str, str] | None = None,
    ) -> tuple[int, object]:
        """Send a request with these very bytes as its target; gives status and document."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json", **(fields or {})}
        if assertion is not None:
            headers[HEADER] = assertion
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if answer.status < 400 and text else None


@contextmanager
def running(name: str, postgres: Postgres, keys: str, **variables: str) -> Iterator[Application]:
    """Run an example until the block ends.

    Args:
        name: `fastapi` or `flask`.
        postgres: its database.
        keys: URL or file of the key set.
        variables: further variables of its environment.
    """
    environment = {**os.environ, **postgres.environment(), "ASSERTION_KEYS": keys, **variables}
    child = subprocess.Popen(  # noqa: S603 -- the programs of the examples
        [sys.executable, "-m", *COMMANDS[name]], cwd=EXAMPLES, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    # What it says later is read too, or it would wait for a reader one day.
    reader = threading.Thread(target=child.stderr.read)
    try:
        port = _port(child.stderr)
        reader.start()
        yield Application(name, port)
    finally:
        child.kill()
        child.wait()
        if reader.ident is not None:
            reader.join()
        child.stderr.close()


def _port(said: Iterator[bytes]) -> int:
    """Wait for the line that says where it listens."""
    lines = []
    for line in said:
        lines.append(line)
        if found := _RUNNING.search(line):
            return int(found[1])
    raise AssertionError(b"".join(lines).decode())
