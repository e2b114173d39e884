"""Start real programs as child processes on free ports, and look at them from outside."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers" / "bin"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Program:
    """A running child process that listens on a port of loopback."""

    pid: int
    port: int

    @property
    def origin(self) -> tuple[str, int]:
        return LOOPBACK, self.port

    @property
    def rss_bytes(self) -> int:
        return self._memory("VmRSS")

    @property
    def peak_rss_bytes(self) -> int:
        """The largest RSS since the start or the last `forget_peak`."""
        return self._memory("VmHWM")

    @property
    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, f"the kernel says no {name}"
        return int(found[1]) * 1024


def peer(name: str) -> str:
    """The path of a program of the peers' environment, which `make soak` builds."""
    path = PEERS / name
    assert path.exists(), f"{path} is missing: run `make peers`"
    return str(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    cwd: Path = ROOT,
) -> Iterator[Program]:
    """Run a program until the block ends; it is ready when its port takes connections."""
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - programs that the tests name themselves
            command,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
        )
    try:
        _wait_for(port, child, log)
        yield Program(child.pid, port)
        assert child.poll() is None, f"{command[0]} ended early: {log.read_text()[-2000:]}"
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def sidecar(policy: str, folder: Path) -> Iterator[Program]:
    """Run the sidecar under a policy in which PORT and ADMIN stand for free ports."""
    port, admin = free_port(), free_port()
    file = folder / "policy.yaml"
    file.write_text(policy.replace("ADMIN", str(admin)).replace("PORT", str(port)))
    command = [sys.executable, "-m", "sidecar", "run", str(file)]
    with running(command, port, folder / "sidecar.log") as program:
        yield program


def try_policy(upstream_port: int, audit: Path) -> str:
    """The policy of `sidecar run --upstream`, on free ports and with its audit in a file."""
    return (
        "version: 1\n"
        "extends: try\n"
        "listen: {proxy: '127.0.0.1:PORT', admin: '127.0.0.1:ADMIN'}\n"
        f"upstream: 'http://127.0.0.1:{upstream_port}'\n"
        f"audit: {{sinks: [{{file: '{audit}'}}]}}\n"
    )


def _wait_for(port: int, child: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert child.poll() is None, f"did not start: {log.read_text()[-2000:]}"
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}: {log.read_text()[-2000:]}")
