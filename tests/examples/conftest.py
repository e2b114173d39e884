"""One PostgreSQL and one process of each example for all tests of the examples."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.apps import COMMANDS, Application, running
from tests.examples.assertions import a_signer
from tests.examples.postgres import Postgres, a_postgres

ATTEMPTS = 3


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a server; PostgreSQL cannot choose a port itself, and one may be taken meanwhile."""
    with ExitStack() as stack:
        for attempt in range(ATTEMPTS):
            try:
                server = stack.enter_context(a_postgres(a_port()))
            except subprocess.CalledProcessError:
                if attempt + 1 == ATTEMPTS:
                    raise
            else:
                yield server
                return


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the key set as the sidecar publishes it."""
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    file.write_bytes(a_signer().key_set)
    return file


@pytest.fixture(scope="session", params=sorted(COMMANDS))
def app(
    request: pytest.FixtureRequest, postgres: Postgres, key_file: Path
) -> Iterator[Application]:
    """Run each example in turn; FastAPI on a pool of one connection, which all requests share."""
    with running(request.param, postgres, str(key_file), POOL_SIZE="1") as application:
        yield application
