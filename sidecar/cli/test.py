"""`sidecar test`: tests of a policy, and what they do not reach."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

import click

from sidecar.adapters.ids import UuidV7
from sidecar.cli.exit_codes import DONE, NO, CommandError
from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.fronts.proxy.rehearsal.reach import Reach, reach_of, told
from sidecar.fronts.proxy.rehearsal.trials import Result, Trials, trials_of
from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.cases.fitting import misfits_of
from sidecar.policy.cases.load import Read, load_cases
from sidecar.policy.load import load_text
from sidecar.policy.text import Text

_WHERE: Final = "tests ask no store: name facts such as tenant and roles instead of a key"


@dataclass(frozen=True, slots=True)
class _Ran:
    """What became of one file of tests."""

    read: Read
    text: Text
    results: tuple[Result, ...]
    reach: Reach

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.wrong]


@click.command(epilog="Example: sidecar test policy.test.yaml --fail-under 90 --junit report.xml")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True),
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--junit", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a report in JUnit's XML as well.",
)  # fmt: skip
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), default=0.0, metavar="PERCENT",
    help="Fail if the tests of a file reach less of its policy.",
)  # fmt: skip
@click.option("--missed", is_flag=True, help="List what no test reached.")
@click.option("-k", "only", metavar="WORDS", help="Run the tests whose name holds these words.")
def command(  # noqa: PLR0913 -- as many as there are options
    *,
    files: tuple[str, ...],
    is_json: bool,
    junit: Path | None,
    fail_under: float,
    missed: bool,
    only: str | None,
) -> int:
    """Run tests of policies: requests, callers and what is expected of them.

    Exit status: 0 all pass, 1 one fails or too little is reached, 2 a file is missing.
    """
    began = time.monotonic()
    ran = [_run(name, only) for name in files]
    if only is not None and not any(one.results for one in ran):
        # Nothing would have failed, whatever the policy does.
        raise CommandError(f"no test has '{only}' in its name", NO)
    is_good = [not one.failed and one.reach.percent >= fail_under for one in ran]
    if junit is not None:
        junit.write_text("\n".join(_junit(ran)) + "\n", encoding="utf-8")
    if is_json:
        click.echo(json.dumps(_report(ran, is_good), indent=2, ensure_ascii=False))
    else:
        found = [line for one in ran for line in _lines(one, fail_under, is_listing=missed)]
        click.echo("\n".join((*found, _summary(ran, time.monotonic() - began))))
    return DONE if all(is_good) else NO


def _run(name: str, only: str | None) -> _Ran:
    read = load_cases(name, _content)
    text = load_text(
        read.policy,
        _reading(read.cases.files, Path(read.policy).parent),
        {**os.environ, **read.cases.variables},
        RULES,
    )
    policy = text.loaded.policy
    if misfits := misfits_of(read, policy):
        raise PolicyError(misfits)
    answers = Careful(key_sets=key_sets_of(policy.authentication.jwt, read.cases.at), where=_WHERE)
    trials = Trials(text, read, UuidV7(lambda: read.cases.at, os.urandom), answers)
    chosen = [one for one in trials_of(read, policy) if only is None or only in one.name]

    async def play() -> tuple[Result, ...]:
        return tuple([await trials.run(trial) for trial in chosen])

    results = asyncio.run(play())
    return _Ran(read, text, results, reach_of(policy, results))


def _content(name: str) -> bytes:
    return Path(name).read_bytes()


def _reading(files: dict[str, str], folder: Path) -> Callable[[str], bytes]:
    """Read files, those first that a test gives in the place of what is not here.

    Args:
        files: contents by name, as the policy names them.
        folder: folder of the policy.
    """
    given = {os.path.normpath(folder / name): text.encode() for name, text in files.items()}

    def read(name: str) -> bytes:
        content = given.get(os.path.normpath(name))
        return _content(name) if content is None else content

    return read


def _lines(ran: _Ran, fail_under: float, *, is_listing: bool) -> Iterator[str]:
    for result in ran.failed:
        place = result.trial.place
        yield f"FAILED {place.file}:{place.line} {_plain(result.trial.name)}"
        yield from (f"  {_plain(words)}" for words in result.wrong)
        if result.cause:
            yield f"  {result.cause}"
    reach = ran.reach
    total = len(reach.reached) + len(reach.missed)
    words = f"reached {len(reach.reached)} of {total} points of the policy"
    # Rounded down: what is not all is not 100 %.
    yield f"{ran.read.name}: {words}, {int(reach.percent)} %"
    if reach.percent < fail_under:
        yield f"  less than --fail-under {fail_under:g}"
    if is_listing or reach.percent < fail_under:
        for point in reach.missed:
            written = ran.text.written(point.path)
            yield f"  missed: {point.words} ({written or told(point)})"


def _plain(text: str) -> str:
    """Write what no terminal and no XML shows as it is (XML 1.0 §2.2) as an escape."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _summary(ran: list[_Ran], seconds: float) -> str:
    count = sum(len(one.results) for one in ran)
    failed = sum(len(one.failed) for one in ran)
    return f"{count - failed} passed, {failed} failed in {seconds:.1f} s"


def _report(ran: list[_Ran], good: list[bool]) -> dict[str, object]:
    return {"ok": all(good), "files": [_file(one) for one in ran]}


def _file(ran: _Ran) -> dict[str, object]:
    return {
        "file": ran.read.name,
        "policy": ran.read.policy,
        "tests": [
            {
                "name": one.trial.name,
                "line": one.trial.place.line,
                "ok": not one.wrong,
                "wrong": list(one.wrong),
                "cause": one.cause or None,
            }
            for one in ran.results
        ],
        "reach": {
            "percent": round(ran.reach.percent, 1),
            "reached": [point.words for point in ran.reach.reached],
            "missed": [{"what": one.words, "key": told(one)} for one in ran.reach.missed],
        },
    }


def _junit(ran: list[_Ran]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<testsuites>"
    for one in ran:
        counts = f'tests="{len(one.results)}" failures="{len(one.failed)}"'
        yield f"  <testsuite name={quoteattr(one.read.name)} {counts}>"
        for result in one.results:
            yield from _case(one.read.name, result)
        yield "  </testsuite>"
    yield "</testsuites>"


def _case(file: str, result: Result) -> Iterator[str]:
    name = quoteattr(_plain(result.trial.name))
    line = f'file={quoteattr(file)} line="{result.trial.place.line}"'
    start = f"    <testcase classname={quoteattr(file)} name={name} {line}"
    if not result.wrong:
        yield f"{start}/>"
        return
    yield f"{start}>"
    message = quoteattr(_plain("; ".join((*result.wrong, result.cause))))
    yield f"      <failure message={message}/>"
    yield "    </testcase>"
