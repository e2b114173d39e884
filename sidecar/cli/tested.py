"""What became of files of tests, as people and programs read it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from sidecar.cli.printing import problem_document
from sidecar.fronts.proxy.rehearsal.reach import Reach, told
from sidecar.fronts.proxy.rehearsal.trials import Result
from sidecar.model.errors import PolicyError
from sidecar.policy.cases.load import Read
from sidecar.policy.text import Text


@dataclass(frozen=True, slots=True)
class Ran:
    """A file of tests that were run."""

    read: Read
    text: Text
    results: tuple[Result, ...]
    reach: Reach

    @property
    def failed(self) -> list[Result]:
        """Those that failed."""
        return [result for result in self.results if result.wrong]

    def is_good(self, fail_under: float) -> bool:
        """Judge whether all passed and enough was reached, in percent."""
        return not self.failed and self.reach.percent >= fail_under


@dataclass(frozen=True, slots=True)
class Broken:
    """A file whose tests could not be run: it or its policy has mistakes."""

    name: str
    error: PolicyError


def to_lines(ran: Ran, fail_under: float, *, is_listing: bool) -> Iterator[str]:
    """Write what failed and what was reached, for people."""
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


def summary(tried: Sequence[Ran | Broken], seconds: float) -> str:
    """Count what became of all."""
    ran = [one for one in tried if isinstance(one, Ran)]
    failed = sum(len(one.failed) for one in ran)
    passed = sum(len(one.results) for one in ran) - failed
    broken = len(tried) - len(ran)
    words = f", {broken} {'file' if broken == 1 else 'files'} broken" if broken else ""
    return f"{passed} passed, {failed} failed{words} in {seconds:.1f} s"


def to_json(one: Ran | Broken) -> dict[str, object]:
    """Write what became of a file, for programs."""
    if isinstance(one, Broken):
        problems = [problem_document(problem) for problem in one.error.problems]
        return {"file": one.name, "policy": None, "problems": problems, "tests": [], "reach": None}
    return {
        "file": one.read.name,
        "policy": one.read.policy,
        "problems": [],
        "tests": [
            {
                "name": result.trial.name,
                "line": result.trial.place.line,
                "ok": not result.wrong,
                "wrong": list(result.wrong),
                "cause": result.cause or None,
            }
            for result in one.results
        ],
        "reach": {
            "percent": round(one.reach.percent, 1),
            "reached": [point.words for point in one.reach.reached],
            "missed": [{"what": point.words, "key": told(point)} for point in one.reach.missed],
        },
    }


def to_junit(tried: Sequence[Ran | Broken]) -> Iterator[str]:
    """Write what became of all in JUnit's XML; a broken file is a test with an error."""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<testsuites>"
    for one in tried:
        yield from _broken(one) if isinstance(one, Broken) else _suite(one)
    yield "</testsuites>"


def _suite(ran: Ran) -> Iterator[str]:
    counts = f'tests="{len(ran.results)}" failures="{len(ran.failed)}" errors="0"'
    yield f"  <testsuite name={quoteattr(ran.read.name)} {counts}>"
    for result in ran.results:
        yield from _case(ran.read.name, result)
    yield "  </testsuite>"


def _broken(one: Broken) -> Iterator[str]:
    file = quoteattr(_plain(one.name))
    message = quoteattr("\n".join(_plain(str(problem)) for problem in one.error.problems))
    yield f'  <testsuite name={file} tests="1" failures="0" errors="1">'
    yield f"    <testcase classname={file} name={file} file={file}>"
    yield f"      <error message={message}/>"
    yield "    </testcase>"
    yield "  </testsuite>"


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
