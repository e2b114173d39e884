"""The command line of the bench: what to measure, how long, and where the table goes."""

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bench import report
from bench.arena import arena
from bench.authenticated import Stage, measure_callers
from bench.contenders import ROOT, Contender, absence, version_of
from bench.everyone import EVERYONE
from bench.gatekeepers import SIDECAR_KEYS
from bench.interpreter import choose
from bench.key_stores import measure_key_stores
from bench.limited import measure_limits
from bench.machine import cores, describe
from bench.measure import FULL, QUICK, Bench, Effort
from bench.observed import OBSERVED, measure_observed
from bench.processes import BenchError
from bench.results import Results
from bench.route_cost import measure_in
from bench.targets import Verdict, judge

DOCUMENT: Final = ROOT / "docs" / "performance.md"
_OPEN: Final = ("throughput", "varied", "latency", "memory", "payloads", "tls")
_PARTS: Final = (*_OPEN, "routes", "authenticated", "limits", "observed", "keys")
_FLOOR_MISSED: Final = 1
_COULD_NOT: Final = 3


def _chosen(_: click.Context, __: click.Parameter, value: str | None) -> tuple[Contender, ...]:
    if not value:
        return EVERYONE
    known = {contender.name: contender for contender in EVERYONE}
    names = value.split(",")
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(known)}")
    return tuple(known[name] for name in names)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    contenders: tuple[Contender, ...]
    parts: tuple[str, ...]
    effort: Effort
    python: Path | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="One round of one second each: does it work at all?")
@click.option("--only", callback=_chosen, metavar="NAMES", help="Contenders, separated by commas.")
@click.option("--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Only this part.")
@click.option("--python", type=click.Path(path_type=Path), help="The interpreter of the sidecar.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
@click.option("--check", is_flag=True, help="Exit with 1 if a floor is missed, 3 if unmeasured.")
def main(  # noqa: PLR0913 - one argument an option
    *,
    quick: bool,
    only: tuple[Contender, ...],
    parts: tuple[str, ...],
    python: Path | None,
    json_file: Path | None,
    check: bool,
) -> None:
    """Measure the sidecar beside other proxies and print a table.

    A full run, with every contender and part, also updates docs/performance.md.

    Example: python -m bench --only nginx,sidecar --part throughput
    """
    wish = Wish(only, parts or _PARTS, QUICK if quick else FULL, python)
    # A bench that is told to stop ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_COULD_NOT))
    try:
        results = _measure(wish)
    except BenchError as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(_COULD_NOT)
    click.echo(report.markdown(results))
    if json_file is not None:
        json_file.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    is_full = only == EVERYONE and not parts
    if is_full and not quick:
        report.write(DOCUMENT, results)
    if check:
        sys.exit(_exit_code(judge(results), is_full=is_full))


def _exit_code(verdicts: list[Verdict], *, is_full: bool) -> int:
    if any(verdict.is_missed for verdict in verdicts):
        return _FLOOR_MISSED
    # A floor that nobody measured is not a floor that holds.
    is_blind = is_full and any(verdict.figure is None for verdict in verdicts)
    return _COULD_NOT if is_blind else 0


def _measure(wish: Wish) -> Results:
    chosen = cores()
    # Children move themselves to their own core; the bench's clients stay on this one.
    os.sched_setaffinity(0, {chosen.load})
    python = choose(wish.python)
    results = Results(describe(), str(python), wish.effort.seconds)
    for contender in _taking_part(wish):
        reason = absence(contender)
        if reason is None:
            results.versions[contender.name] = version_of(contender, python.path)
        else:
            results.absent[contender.name] = reason
    if "routes" in wish.parts:
        _say("requests in process with few and with many routes")
        results.routes = measure_in(python.path, chosen.proxy)
    present = [one for one in _taking_part(wish) if one.name not in results.absent]
    open_to_all = [one for one in present if not (one.method or one.counts or one.is_apart)]
    for over_tls in (False, True):
        parts = [part for part in wish.parts if part in _OPEN and (part == "tls") is over_tls]
        if parts and open_to_all:
            with arena(open_to_all, chosen, python.path, over_tls=over_tls) as up:
                results.absent.update(up.failed)
                _run(parts, Bench(up, chosen, wish.effort, results, _say))
    _run_apart(wish, present, Stage(chosen, python.path, wish.effort, results, _say))
    return results


def _run_apart(wish: Wish, present: list[Contender], stage: Stage) -> None:
    """Run the parts that have contenders of their own."""
    if "authenticated" in wish.parts:
        measure_callers(present, stage)
    if "limits" in wish.parts:
        measure_limits(present, stage)
    if "observed" in wish.parts:
        measure_observed(present, stage)
    if "keys" in wish.parts and any(one.name == SIDECAR_KEYS.name for one in present):
        measure_key_stores(stage)


def _taking_part(wish: Wish) -> list[Contender]:
    knows = "authenticated" in wish.parts or "keys" in wish.parts
    is_open = any(part in _OPEN for part in wish.parts)
    counts = "limits" in wish.parts

    def takes_part(one: Contender) -> bool:
        if "observed" in wish.parts and one in OBSERVED:
            return True
        if one.counts or one.is_apart:
            return counts and one.counts
        return is_open if one.method is None else knows

    return [one for one in wish.contenders if takes_part(one)]


def _run(parts: list[str], bench: Bench) -> None:
    steps = {
        "throughput": bench.throughput,
        "varied": bench.varied,
        "latency": bench.latency,
        "memory": bench.memory,
        "payloads": bench.payloads,
        "tls": bench.tls,
    }
    for part, step in steps.items():
        if part in parts:
            step()


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
