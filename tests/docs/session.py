"""A reader at work: follows a page in an empty folder, command by command, and compares answers.

    $ command            is run; `> ` continues it
    anything else        is its output; … stands for any text, a line of … alone for any lines

A sidecar is left running, as in a second terminal; a second `sidecar run` on the same page replaces
the first, as after Ctrl-C. The example service runs on for the pages that follow.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.pages import HOUSE, Block

SHOWN_PORTS: Final = (3000, 3001, 3002, 8080, 8443, 9901, 9902)
COMMAND_SECONDS: Final = 45.0
# Records and metrics follow an answer by the time of a flush.
LOOK_SECONDS: Final = 3.0
LOOK_AGAIN_SECONDS: Final = 0.05
SERVICE: Final = ".venv/bin/python docs/examples/service.py"
_SIDECARS: Final = ("sidecar run", ".venv/bin/sidecar run")
_LOOKERS: Final = ("tail", "grep", "cat", "curl -s http://127.0.0.1:99")
_TAIL: Final = re.compile(r" &(?: echo \$! > (?P<file>\S+))?$")
_LOCAL_PORT: Final = re.compile(rf"(?<=[: ])({'|'.join(map(str, SHOWN_PORTS))})\b")


class DifferentError(AssertionError):
    """The page shows another outcome than the one that came."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page and what it shows of the outcome.

    Attributes:
        text: the command.
        shown: the lines behind it; None where the page shows no outcome.
        place: page and line of the block.
    """

    text: str
    shown: str | None
    place: str


def commands_of(block: Block) -> Iterator[Command]:
    """Take a block apart."""
    if block.language == "sh":
        for line in block.text.splitlines():
            if command := line.partition(" #")[0].strip():
                yield Command(command, None, block.place)
        return
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        more = [line[2:] for line in lines[1:] if line.startswith("> ")]
        shown = [line for line in lines[1:] if not line.startswith("> ")]
        text = "\n".join([lines[0], *more])
        yield Command(text, "\n".join(shown).strip("\n"), block.place)


def matches(shown: str, came: str) -> bool:
    """Compare an outcome with what the page shows of it."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else r"[^\n]*?".join(map(re.escape, line.split("…"))) + r"\n"
        for line in shown.splitlines()
    )
    lines = "".join(f"{line.rstrip()}\n" for line in came.strip("\n").splitlines())
    return re.fullmatch(pattern, lines) is not None


def free_ports() -> dict[int, int]:
    """Find a free port for every documented one, of four digits: lengths stay as shown."""
    start = 1024 + os.getpid() * 37 % 8000
    moved: dict[int, int] = {}
    candidates = iter(range(start, start + 900))
    for shown in SHOWN_PORTS:
        moved[shown] = next(
            port for port in candidates if port not in SHOWN_PORTS and _is_free(port)
        )
    return moved


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Program:
    """A program that runs beside the reader, and what it has said."""

    def __init__(self, text: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._output = folder / f".output-{time.monotonic_ns()}"
        with self._output.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 -- the commands of our own pages
                ["/bin/sh", "-c", f"exec {text}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> bytes:
        """Read what it has said so far."""
        return self._output.read_bytes()

    def stop(self) -> None:
        """Press Ctrl-C, and kill what does not mind."""
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(COMMAND_SECONDS)
        if self.is_running:
            self._process.kill()
            self._process.wait()


@dataclass(slots=True)
class Session:
    """A reader's folder, and the programs that run in it.

    Attributes:
        folder: an empty folder; the repository's `docs` and `config` are linked into it.
        ports: the free port that stands in for each documented one.
        services: the example services that run, by command; shared by all sessions.
    """

    folder: Path
    ports: Mapping[int, int]
    services: dict[str, Program]
    _sidecar: Program | None = None
    _status: int = 0

    def prepare(self) -> None:
        """Lay out what a clone after `make setup` has."""
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in ("docs", "config"):
            (self.folder / name).symlink_to(HOUSE / name)
        _script(programs / "python", "")
        _script(programs / "sidecar", str(HOUSE / "tests" / "docs" / "launcher.py"))
        if shutil.which("curl") is None:
            _script(programs / "curl", str(HOUSE / "tests" / "docs" / "curl.py"))

    def save(self, name: str, text: str) -> None:
        """Save a file that the page shows."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def follow(self, command: Command) -> None:
        """Do what the page says, and compare.

        Raises:
            DifferentError: something else came out.
        """
        if command.text.startswith(SERVICE):
            self._serve(command)
        elif command.text.startswith(_SIDECARS):
            self._protect(command)
        else:
            self._do(command)

    def end(self) -> None:
        """Come to the end of a page.

        Raises:
            DifferentError: the last command failed and the page does not say so.
        """
        if self._status:
            raise DifferentError(f"the last command ended with status {self._status}")

    def close(self) -> None:
        """Stop the sidecar, if one runs."""
        if self._sidecar is not None:
            self._sidecar.stop()
        self._sidecar = None

    def _do(self, command: Command) -> None:
        if self._status and not command.text.startswith("echo $?"):
            raise DifferentError(f"{command.place}: the command before `{command.text}` failed")
        end = time.monotonic() + (LOOK_SECONDS if command.text.startswith(_LOOKERS) else 0.0)
        status, came = self._run(command.text)
        while not _is_as_shown(command, came) and time.monotonic() < end:
            time.sleep(LOOK_AGAIN_SECONDS)
            status, came = self._run(command.text)
        if not _is_as_shown(command, came):
            raise DifferentError(_difference(command, came))
        self._status = status

    def _run(self, text: str) -> tuple[int, str]:
        done = subprocess.run(  # noqa: S603 -- the commands of our own pages
            ["/bin/sh", "-c", f"(exit {self._status})\n{self._moved(text)}"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, self._as_shown(done.stdout)

    def _serve(self, command: Command) -> None:
        text = _TAIL.sub("", command.text)
        if text in self.services:
            return
        # Without a port the service takes the one that the page does not need to name.
        moved = f"{text} {self.ports[3000]}" if text == SERVICE else self._moved(text)
        self.services[text] = Program(moved, self.folder, self._environment())
        self._await(command, self.services[text])

    def _protect(self, command: Command) -> None:
        self.close()
        text = _TAIL.sub("", command.text)
        self._sidecar = Program(self._moved(text), self.folder, self._environment())
        found = _TAIL.search(command.text)
        if found and found["file"]:
            self.save(found["file"], f"{self._sidecar.pid}\n")
        self._await(command, self._sidecar)

    def _await(self, command: Command, program: Program) -> None:
        """Wait until a program says what the page shows, and that it serves."""
        shown = command.shown or "…"
        end = time.monotonic() + COMMAND_SECONDS
        while True:
            came = self._as_shown(program.said())
            if "://" in came and matches(shown, came):
                return
            if not program.is_running or time.monotonic() > end:
                raise DifferentError(_difference(command, came))
            time.sleep(LOOK_AGAIN_SECONDS)

    def _environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
        return kept | {
            "PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(HOUSE),
            "PYTHONUNBUFFERED": "1",
            "DOCS_PORTS": json.dumps(self.ports),
        }

    def _moved(self, text: str) -> str:
        return _LOCAL_PORT.sub(lambda found: str(self.ports[int(found[1])]), text)

    def _as_shown(self, came: bytes) -> str:
        text = came.decode("utf-8", "replace").replace("\r", "")
        for shown, moved in self.ports.items():
            text = re.sub(rf"\b{moved}\b", str(shown), text)
        return text


def _is_as_shown(command: Command, came: str) -> bool:
    return command.shown is None or matches(command.shown, came)


def _difference(command: Command, came: str) -> str:
    return f"{command.place}: $ {command.text}\n--- the page\n{command.shown}\n--- it was\n{came}"


def _script(file: Path, program: str) -> None:
    quoted = f" {shlex.quote(program)}" if program else ""
    file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{quoted} "$@"\n')
    file.chmod(0o755)
