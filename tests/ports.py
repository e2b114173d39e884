"""Ports for servers of tests: nobody else takes them while a server that had one is gone."""

import os
import random
import socket
from typing import Final

HOST: Final = "127.0.0.1"
# Below those that the system gives to clients, above those of the documentation; each of two
# processes of tests has a half, and what a cluster adds to a port is still below.
_FIRST: Final = 10_000
_EACH: Final = 5_000


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on; better is port 0 where one may choose it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    start = _FIRST + worker * _EACH
    while True:
        port = random.randrange(start, start + _EACH)  # noqa: S311 -- any will serve
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
