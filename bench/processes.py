"""Starts the programs under measurement, each pinned to a core, and ends them whatever happens."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 5.0
_LOG_LINE_CHARS: Final = 300


class BenchError(Exception):
    """The measurement cannot go on; the text says what is missing or broken."""


@dataclass(frozen=True, slots=True)
class Program:
    """How one program is started.

    Attributes:
        command: the arguments, the executable first.
        core: the processor core that it may use.
        folder: where its log goes.
        environment: what is set for it beside the environment of the bench.
    """

    command: Sequence[str]
    core: int
    folder: Path
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """The executable's name, without the folders of this machine."""
        return Path(self.command[0]).name

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "output.log"


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(command: Sequence[str], core: int) -> list[str]:
    """Prefix a command so that it keeps to one core and dies with the bench, even by SIGKILL."""
    prefix: list[str] = []
    if shutil.which("setpriv"):
        prefix += ["setpriv", "--pdeathsig", "KILL"]
    if shutil.which("taskset"):
        prefix += ["taskset", "-c", str(core)]
    return [*prefix, *command]


@contextmanager
def running(program: Program) -> Iterator[int]:
    """Run a program for the length of the block.

    Yields:
        The process id. Its whole process group has ended when the block is left.
    """
    with program.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            pinned(program.command, program.core),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            env={**os.environ, **program.environment},
            start_new_session=True,
        )
    try:
        yield process.pid
        if process.poll() is not None:
            raise BenchError(f"{program.name} ended early: {_last_line(program.log)}")
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line[:_LOG_LINE_CHARS] for line in reversed(lines) if line.strip()), "no output")


def await_answer(
    url: str, program: Program, pid: int, fields: Mapping[str, str] | None = None
) -> None:
    """Wait until a GET is answered with 200, the sign that the whole chain works.

    Args:
        url: what is asked for.
        program: what should answer.
        pid: its process.
        fields: header fields to send.

    Raises:
        BenchError: if the program ends, or no such answer comes in time.
    """
    deadline = time.monotonic() + START_SECONDS
    seen = "no connection"
    while time.monotonic() < deadline and not _has_ended(pid):
        try:
            seen = _status(url, fields or {})
        except (OSError, http.client.HTTPException) as error:
            seen = str(error)
        if seen == "200":
            return
        time.sleep(_POLL_SECONDS)
    raise BenchError(f"{program.name} does not answer ({seen}): {_last_line(program.log)}")


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _status(url: str, fields: Mapping[str, str]) -> str:
    # The certificate was made a moment ago for this run; nothing secret goes over it.
    unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above
    request = urllib.request.Request(url, headers=dict(fields))  # noqa: S310 - our own
    opened = urllib.request.urlopen(request, timeout=2, context=unverified)  # noqa: S310 - our own
    with opened as answer:
        answer.read()
        return str(answer.status)


def family(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(fields[1])
    members = [pid]
    for member in members:
        members.extend(child for child, parent in parents.items() if parent == member)
    return members


def resident_bytes(pid: int) -> int:
    """Sum the resident memory of a process and its descendants, shared pages counted for each."""
    return sum(_resident_kib(member) for member in family(pid)) * 1024


def _resident_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(next(lines, "VmRSS: 0").split()[1])


def thread_ticks(pid: int) -> dict[int, int]:
    """Read how many clock ticks each thread of a process has run."""
    ticks = {}
    for entry in Path(f"/proc/{pid}/task").iterdir():
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
        ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
    return ticks


def processor_seconds(pid: int) -> float:
    """Read how long a process has been on a core, all its threads; good to a clock tick."""
    return sum(thread_ticks(pid).values()) / os.sysconf("SC_CLK_TCK")
