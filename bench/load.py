"""Closed-loop load by wrk: how many requests a second, and whether all were answered well."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import BenchError, pinned

CONNECTIONS: Final = 32
# What an ordinary API client sends beside Host: every proxy has to read and pass it on.
FIELDS: Final = (
    "User-Agent: orders-client/1.0",
    "Accept: application/json",
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: en",
)
_RATE: Final = re.compile(r"^Requests/sec:\s+([0-9.]+)$", re.MULTILINE)
_BAD_STATUS: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_BAD_SOCKET: Final = re.compile(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_SLACK_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Load:
    """One run of wrk.

    Attributes:
        url: what is asked for.
        core: the core that wrk may use.
        seconds: whole seconds, wrk knows no others.
        connections: how many are kept open and busy.
        script: a Lua script that makes other requests than GET.
        fields: field lines beside those of every load.
        words: arguments of the script.
    """

    url: str
    core: int
    seconds: int
    connections: int = CONNECTIONS
    script: Path | None = None
    fields: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """What a run gave: answers a second, and how many were not answered with 2xx or 3xx."""

    per_second: float
    failures: int


def hammer(load: Load) -> Flow:
    """Run wrk once.

    Raises:
        BenchError: if wrk is missing or fails.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("wrk is not installed (Debian: apt-get install wrk)")
    command = [wrk, "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "10s"]
    for field in (*FIELDS, *load.fields):
        command += ["-H", field]
    if load.script is not None:
        command += ["-s", str(load.script)]
    try:
        output = subprocess.run(  # noqa: S603 - our own command, no shell
            pinned([*command, load.url, "--", *load.words], load.core),
            capture_output=True,
            text=True,
            check=True,
            timeout=load.seconds + _SLACK_SECONDS,
        ).stdout
    except (subprocess.SubprocessError, OSError) as error:
        raise BenchError(f"wrk failed: {error}") from error
    return _read(output)


def _read(output: str) -> Flow:
    rate = _RATE.search(output)
    if rate is None:
        raise BenchError(f"wrk gave no rate: {output[-300:]}")
    status = _BAD_STATUS.search(output)
    sockets = _BAD_SOCKET.search(output)
    failures = int(status[1]) if status else 0
    failures += sum(map(int, sockets.groups())) if sockets else 0
    return Flow(float(rate[1]), failures)
