"""The upstream and all contenders, up and checked, for the length of a measurement."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.callers import Callers, Method
from bench.certificate import make_certificate
from bench.contenders import Contender, Place, find_program, prepare, write_config
from bench.enforcement import prove
from bench.machine import Cores
from bench.policy import ORDER_PATH
from bench.processes import BenchError, Program, await_answer, free_port, running

DOWNLOAD_BYTES: Final = 10_000_000
DIRECT: Final = "direct"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers requests.

    Attributes:
        name: a contender's, or `direct` for the upstream itself.
        port: where it listens on loopback.
        pid: its process, the root of its family.
        scheme: http, or https where it ends TLS.
    """

    name: str
    port: int
    pid: int
    scheme: str

    def url(self, path: str) -> str:
        """Where a path of it is."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


@dataclass(frozen=True, slots=True)
class Arena:
    """Who is up.

    Attributes:
        direct: the upstream without a proxy.
        targets: the contenders.
        has_files: whether the upstream takes uploads and gives downloads.
        failed: contenders that did not come up, with the reason.
    """

    direct: Target
    targets: tuple[Target, ...]
    has_files: bool
    failed: dict[str, str]


@dataclass(frozen=True, slots=True)
class Guests:
    """Who asks, and the URL of the server that keeps keys for those that want one."""

    callers: Callers
    redis: str


@contextmanager
def arena(
    contenders: Sequence[Contender],
    cores: Cores,
    python: Path,
    *,
    over_tls: bool = False,
    guests: Guests | None = None,
) -> Iterator[Arena]:
    """Start everything; end everything when the block is left.

    Args:
        contenders: who is started.
        cores: where.
        python: the interpreter of the contenders in Python.
        over_tls: whether clients speak TLS to them; those that cannot stay away.
        guests: who asks, for contenders that want to know; each proves first that it does.

    Raises:
        BenchError: if there is no program that can be the upstream.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="sidecar-bench-")))
        direct, has_files = start_upstream(stack, root, cores)
        certificate = make_certificate(root) if over_tls else None
        targets: list[Target] = []
        failed: dict[str, str] = {}
        for contender in contenders:
            if over_tls and not contender.tls:
                continue
            folder = _folder(root, contender.name)
            known = (guests.callers, guests.redis) if guests else (None, "")
            place = Place(folder, free_port(), direct.port, python, certificate, *known)
            try:
                targets.append(_start(stack, contender, place, cores.proxy))
            except BenchError as error:
                failed[contender.name] = str(error)
        yield Arena(direct, tuple(targets), has_files, failed)


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder


def _start(stack: ExitStack, contender: Contender, place: Place, core: int) -> Target:
    command = prepare(contender, place)
    program = Program(command, core, place.folder, contender.environment)
    return _up(stack, contender.name, place, program, contender.method)


def start_upstream(stack: ExitStack, root: Path, cores: Cores) -> tuple[Target, bool]:
    """Start the upstream, and tell whether it takes uploads and gives downloads.

    Raises:
        BenchError: there is no program that can be the upstream.
    """
    place = Place(_folder(root, "upstream"), free_port(), 0, Path(), None)
    if (nginx := find_program("nginx")) is not None:
        config = place.folder / "upstream.nginx.conf"
        command = [nginx, "-e", "stderr", "-c", str(config)]
        (place.folder / "large.bin").write_bytes(bytes(DOWNLOAD_BYTES))
    elif (haproxy := find_program("haproxy")) is not None:
        config = place.folder / "upstream.haproxy.cfg"
        command = [haproxy, "-db", "-f", str(config)]
    else:
        raise BenchError("no upstream: install nginx or haproxy (Debian: apt-get install nginx)")
    write_config(config.name, place, tls="")
    program = Program(command, cores.load, place.folder, {})
    return _up(stack, DIRECT, place, program), nginx is not None


def _up(
    stack: ExitStack, name: str, place: Place, program: Program, method: Method | None = None
) -> Target:
    # One that does not come up is ended here, the others later, by the arena's stack.
    with ExitStack() as attempt:
        pid = attempt.enter_context(running(program))
        target = Target(name, place.port, pid, "https" if place.certificate else "http")
        if method is None or place.callers is None:
            await_answer(target.url(ORDER_PATH), program, pid)
        else:
            line = place.callers.good[method][0]
            await_answer(target.url(ORDER_PATH), program, pid, dict([line.split(": ", 1)]))
            prove(place.port, place.callers, method)
        stack.enter_context(attempt.pop_all())
    return target
