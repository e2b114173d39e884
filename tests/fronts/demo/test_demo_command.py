"""`sidecar demo` as a user runs it: a process of its own on real ports."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.fronts.demo.stops import STOPS

FreePort = Callable[[], int]
COMMAND = [sys.executable, "-m", "sidecar", "demo"]


def ports(free_port: FreePort) -> list[str]:
    return ["--port", str(free_port()), "--admin-port", str(free_port())]


def ran(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=50
    )


def test_the_tour_ends_well_and_says_why_at_every_stop(free_port: FreePort) -> None:
    done = ran(["--once", *ports(free_port)])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(STOPS)} of {len(STOPS)} stops gave the expected answer." in done.stdout
    assert done.stdout.count("    why: ") == len(STOPS)
    assert all(stop.title in done.stdout for stop in STOPS)
    assert "\x1b" not in done.stdout
    assert "demo_" not in done.stdout


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_busy_port_is_named_with_its_option(option: str, free_port: FreePort) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        other = "--admin-port" if option == "--port" else "--port"
        done = ran(["--once", option, port, other, str(free_port())])
    assert done.returncode == 3
    assert port in done.stderr
    assert f"choose another: {option})" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_another_sidecar_shares_is_busy(free_port: FreePort) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        assert ran(["--once", "--port", port, "--admin-port", str(free_port())]).returncode == 3


def test_the_two_ports_must_differ(free_port: FreePort) -> None:
    port = str(free_port())
    done = ran(["--once", "--port", port, "--admin-port", port])
    assert done.returncode == 2
    assert "must differ" in done.stderr


@pytest.fixture
def staying(free_port: FreePort, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A demo that goes on after its tour: its output and its port."""
    port, shown = free_port(), tmp_path / "shown"
    arguments = ["--port", str(port), "--admin-port", str(free_port())]
    with shown.open("wb") as output:
        child = subprocess.Popen([*COMMAND, *arguments], stdout=output)  # noqa: S603 - our own
    try:
        yield shown, port
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()


def test_after_the_tour_it_serves_and_says_what_to_try(staying: tuple[Path, int]) -> None:
    shown, port = staying
    deadline = time.monotonic() + 40
    while "Ctrl-C" not in shown.read_text():
        assert time.monotonic() < deadline, shown.read_text()
        time.sleep(0.1)
    for word in ("curl -i", "/metrics", "audit.jsonl", "sidecar check"):
        assert word in shown.read_text()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
        assert b"The protected service" in page.read()
    key = re.search(r"demo_[0-9A-Z]{26}", shown.read_text())
    assert key is not None
    url = f"http://127.0.0.1:{port}/echo/orgs/acme/who"
    request = urllib.request.Request(url, headers={"X-API-Key": key[0]})
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own
        assert b'"X-Tenant-Id", "acme"' in answer.read()


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(
    no_color: str, free_port: FreePort, *, is_coloured: bool
) -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
    child = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, "--once", *ports(free_port)], stdout=slave, env=environment
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:
        pass  # the other end is closed
    finally:
        os.close(master)
    assert child.wait(10) == 0
    assert (b"\x1b[" in shown) is is_coloured
