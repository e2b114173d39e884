"""Where the time of a contender goes under full load: `python -m bench.profile`.

Kernel, interpreter, event loop and parsers are told apart by perf, Python functions by py-spy; each
is left out where it is missing. Both slow the process down while they watch, so microseconds are
their shares of the cost of a request that was measured without them.
"""

import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from bench.arena import arena
from bench.authenticated import guests
from bench.contenders import SIDECAR, find_program
from bench.everyone import EVERYONE
from bench.interpreter import choose
from bench.load import Load, hammer
from bench.machine import cores
from bench.policy import ORDER_PATH
from bench.processes import BenchError, thread_ticks

# Which shared object belongs to what; the first pattern that fits decides.
_GROUPS: Final = (
    ("kernel", re.compile(r"kernel|unknown|vdso")),
    ("parsers of HTTP", re.compile(r"_http_parser|parser\.c")),
    ("event loop", re.compile(r"loop\.c|_asyncio|libuv")),
    ("other libraries", re.compile(r"_multidict|_msgspec|_quoting_c|_helpers_c|_http_writer")),
    ("interpreter", re.compile(r"")),
)
_OBJECT_LINE: Final = re.compile(r"^\s*([0-9.]+)%\s+(\S.*?)\s*$", re.MULTILINE)
_STACK_LINE: Final = re.compile(r"^thread \((\d+)\).*;(.*) (\d+)$", re.MULTILINE)
_FRAME: Final = re.compile(r"^(?P<function>.+) \((?P<file>[^:]+)(?::\d+)?\)$")
# Odd, so that sampling does not march in step with timers.
_HERTZ: Final = 499
_ROWS: Final = 20
# The load starts before a sampler and ends after it.
_MARGIN_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the time: its name and its fraction."""

    name: str
    fraction: float


def of_objects(report: str) -> list[Share]:
    """Group perf's shares of shared objects."""
    shares: dict[str, float] = defaultdict(float)
    for percent, name in _OBJECT_LINE.findall(report):
        group = next(title for title, pattern in _GROUPS if pattern.search(name))
        shares[group] += float(percent) / 100
    return _largest(shares)


def of_functions(stacks: str, ticks: Mapping[int, int]) -> list[Share]:
    """Sum py-spy's folded stacks by the function that was running.

    Args:
        stacks: lines of frames and a count, each beginning with its thread.
        ticks: processor time of each thread. py-spy takes a thread that waits on a lock for a
            running one, so a thread weighs what it used and not how often it was seen.
    """
    samples: dict[int, Counter[str]] = defaultdict(Counter)
    for thread, frame, count in _STACK_LINE.findall(stacks):
        if found := _FRAME.match(frame):
            samples[int(thread)][f"{_module(found['file'])} {found['function']}"] += int(count)
    shares: dict[str, float] = defaultdict(float)
    for number, functions in samples.items():
        weight = ticks.get(number, 0) / max(1, sum(ticks.values()))
        for name, count in functions.items():
            shares[name] += weight * count / functions.total()
    return _largest(shares)[:_ROWS]


def _largest(shares: Mapping[str, float]) -> list[Share]:
    ordered = sorted(shares.items(), key=itemgetter(1), reverse=True)
    return [Share(name, fraction) for name, fraction in ordered]


def _module(file: str) -> str:
    parts = Path(file).parts
    start = next((i for i, part in enumerate(parts) if part == "sidecar"), len(parts) - 1)
    return "/".join(parts[start:])


@click.command()
@click.option("--seconds", default=5, show_default=True, help="How long each sampler watches.")
@click.option("--name", default="sidecar", show_default=True, help="The contender to look into.")
@click.option("--path", default=ORDER_PATH, show_default=True, help="What is asked for.")
@click.option("--python", type=click.Path(path_type=Path), help="The interpreter of the sidecar.")
def main(*, seconds: int, name: str, path: str, python: Path | None) -> None:
    """Print where the time of the sidecar goes, as Markdown."""
    contender = next((one for one in EVERYONE if one.name == name), SIDECAR)
    chosen = cores()
    interpreter = choose(python)
    try:
        with ExitStack() as stack:
            known = stack.enter_context(guests([contender], chosen.load))
            up = stack.enter_context(arena([contender], chosen, interpreter.path, guests=known))
            method = contender.method
            fields = () if method is None else (known.callers.good[method][0],)
            for reason in up.failed.values():
                click.echo(reason, err=True)
            for target in up.targets:
                click.echo(f"{contender.title} on {interpreter}.\n")
                _print_all(Load(target.url(path), chosen.load, seconds, fields=fields), target.pid)
    except BenchError as error:
        raise click.ClickException(str(error)) from error


def _print_all(load: Load, pid: int) -> None:
    seconds, load = load.seconds, replace(load, seconds=load.seconds + _MARGIN_SECONDS)
    micros = 1e6 / hammer(load).per_second
    with TemporaryDirectory(prefix="sidecar-profile-") as folder:
        for title, sample in (("part", _objects), ("function", _functions)):
            with _under(load):
                shares = sample(pid, seconds, Path(folder))
            _print(title, shares, micros)


@contextmanager
def _under(load: Load) -> Iterator[None]:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hammer, load)
        yield


def _print(title: str, shares: list[Share], micros: float) -> None:
    if not shares:
        return
    click.echo(f"| {title} | share | µs a request |\n|---|---:|---:|")
    for share in shares:
        click.echo(f"| {share.name} | {share.fraction:.1%} | {share.fraction * micros:.1f} |")
    click.echo()


def _objects(pid: int, seconds: int, folder: Path) -> list[Share]:
    perf = shutil.which("perf")
    if perf is None:
        click.echo("perf is not installed: no split between kernel, interpreter and parsers.")
        return []
    recorded = folder / "perf.data"
    watched = ["-e", "cpu-clock", "-F", str(_HERTZ), "-p", str(pid), "-o", str(recorded)]
    _run([perf, "record", "-q", *watched, "--", "sleep", str(seconds)], seconds)
    report = _run([perf, "report", "-i", str(recorded), "--sort", "dso", "--stdio"], seconds)
    return of_objects(report)


def _functions(pid: int, seconds: int, folder: Path) -> list[Share]:
    spy = find_program("py-spy")
    if spy is None:
        click.echo("py-spy is not installed: no split between Python functions.")
        return []
    stacks = folder / "stacks.txt"
    watched = ["--pid", str(pid), "--rate", str(_HERTZ), "--duration", str(seconds), "--threads"]
    before = thread_ticks(pid)
    _run([spy, "record", *watched, "--format", "raw", "--output", str(stacks)], seconds)
    ticks = {thread: end - before.get(thread, 0) for thread, end in thread_ticks(pid).items()}
    return of_functions(stacks.read_text(), ticks)


def _run(command: list[str], seconds: int) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 - our own commands, no shell
            command, capture_output=True, text=True, check=True, timeout=seconds + 30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{Path(command[0]).name} failed: {error}") from error
    return ran.stdout


if __name__ == "__main__":
    main()
