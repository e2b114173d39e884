"""`sidecar test`: tests of a policy, and what they do not reach."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import read_file, reading
from sidecar.cli.exit_codes import DONE, NO, CommandError
from sidecar.cli.printing import print_json
from sidecar.cli.tested import Broken, Ran, summary, to_json, to_junit, to_lines
from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.fronts.proxy.rehearsal.reach import reach_of
from sidecar.fronts.proxy.rehearsal.trials import Result, Trials, trials_of
from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.cases.fitting import misfits_of
from sidecar.policy.cases.load import load_cases
from sidecar.policy.load import load_text

_WHERE: Final = "tests ask no store: name facts such as tenant and roles instead of a key"


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

    Exit status: 0 all pass, 1 one fails, a file is broken or too little is
    reached, 2 a file is missing.
    """
    began = time.monotonic()
    tried = [_tried(name, only) for name in files]
    ran = [one for one in tried if isinstance(one, Ran)]
    if only is not None and len(ran) == len(tried) and not any(one.results for one in ran):
        # Nothing would have failed, whatever the policy does.
        raise CommandError(f"no test has '{only}' in its name", NO)
    is_good = all(isinstance(one, Ran) and one.is_good(fail_under) for one in tried)
    for one in tried:
        if isinstance(one, Broken):
            click.echo(str(one.error), err=True)
    if junit is not None:
        junit.write_text("\n".join(to_junit(tried)) + "\n", encoding="utf-8")
    if is_json:
        print_json({"ok": is_good, "files": [to_json(one) for one in tried]})
    else:
        found = [line for one in ran for line in to_lines(one, fail_under, is_listing=missed)]
        click.echo("\n".join((*found, summary(tried, time.monotonic() - began))))
    return DONE if is_good else NO


def _tried(name: str, only: str | None) -> Ran | Broken:
    try:
        return _run(name, only)
    except PolicyError as error:
        # What the other files say is to be known all the same.
        return Broken(name, error)


def _run(name: str, only: str | None) -> Ran:
    read = load_cases(name, reading(name))
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
    return Ran(read, text, results, reach_of(policy, results))


def _reading(files: dict[str, str], folder: Path) -> Callable[[str], bytes]:
    """Read files, those first that a test gives in the place of what is not here.

    Args:
        files: contents by name, as the policy names them.
        folder: folder of the policy.
    """
    given = {os.path.normpath(folder / name): text.encode() for name, text in files.items()}

    def read(name: str) -> bytes:
        content = given.get(os.path.normpath(name))
        return read_file(name) if content is None else content

    return read
