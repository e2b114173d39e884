"""Tests of a policy: each is played with counters of its own, and held to what it expects."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from sidecar.decision.facts import split_lines, text_of
from sidecar.decision.pipeline import build
from sidecar.decision.ruling import ruling
from sidecar.decision.steps.tenant import record_of
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Played, Stage
from sidecar.model.identity import TenantRecord
from sidecar.model.outcome import Refuse
from sidecar.policy.cases.callers import Caller
from sidecar.policy.cases.load import Read
from sidecar.policy.cases.schema import Case, Expect, Matrix, Request
from sidecar.policy.nodes import Path, Place
from sidecar.policy.schema.policy import Policy
from sidecar.policy.text import Text

_WORDS: Final = frozenset(("admit", "refuse", "answer"))


@dataclass(frozen=True, slots=True)
class Trial:
    """One test, ready to be played.

    Attributes:
        name: what it proves.
        place: where it stands.
        asked: the request.
        caller: who calls, as the file says.
        expect: what is expected of the last time.
        before: what is expected of all before.
        repeat: how often it is sent.
        every: seconds between two of them.
    """

    name: str
    place: Place
    asked: Asked
    caller: Caller
    expect: Expect
    before: Expect | None = None
    repeat: int = 1
    every: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test.

    Attributes:
        trial: the test.
        played: the first time that it was sent, and the last.
        wrong: what was not as expected, in words.
        cause: what refused, and which line of the policy said so; empty for nothing.
    """

    trial: Trial
    played: tuple[Played, ...]
    wrong: tuple[str, ...]
    cause: str


def trials_of(read: Read, policy: Policy) -> list[Trial]:
    """Make the tests of a file.

    Args:
        read: the file.
        policy: the policy that is tested.
    """
    cases = read.cases
    made = [_single(read, policy, case, ("tests", at)) for at, case in enumerate(cases.tests)]
    for at, matrix in enumerate(cases.matrix):
        made += _cells(read, policy, matrix, ("matrix", at))
    return made


def _single(read: Read, policy: Policy, case: Case, path: Path) -> Trial:
    at = read.cases.at if case.at is None else case.at
    return Trial(
        case.name,
        read.place(path),
        _asked(policy, case.request, case.caller, at),
        case.caller,
        case.expect,
        case.before,
        case.repeat,
        case.every,
    )


def _cells(read: Read, policy: Policy, matrix: Matrix, path: Path) -> Iterator[Trial]:
    for name, caller in matrix.callers.items():
        for column, line in enumerate(matrix.requests):
            method, _, target = line.partition(" ")
            request = Request(method=method, path=target)
            cell = matrix.expect[name][column]
            place = read.place((*path, "expect", name, column))
            asked = _asked(policy, request, caller, read.cases.at)
            yield Trial(f"{matrix.name}: {name}: {line}", place, asked, caller, _expected(cell))


def _expected(cell: str | int) -> Expect:
    if isinstance(cell, int):
        return Expect.model_validate({"status": cell})
    return Expect.model_validate({"outcome" if cell in _WORDS else "code": cell})


def _asked(policy: Policy, request: Request, caller: Caller, at: float) -> Asked:
    fields = [("Host", request.host), *request.headers.items()]
    body = b"" if request.body is None else request.body.encode()
    if "json_body" in request.model_fields_set:
        body = json.dumps(request.json_body, ensure_ascii=False).encode()
        if not any(name.lower() == "content-type" for name in request.headers):
            fields.append(("Content-Type", "application/json"))
    keys = policy.authentication.api_keys
    if caller.key is not None and keys is not None and keys.header is not None:
        fields.append((keys.header, caller.key))
    elif bearer := caller.jwt or caller.key:
        fields.append(("Authorization", f"Bearer {bearer}"))
    return Asked(
        request.method, request.path, tuple(fields), body, request.sender, request.tls, at,
        caller.principal(policy),
    )  # fmt: skip


class Trials:
    """Plays tests of one policy.

    Args:
        text: the policy.
        read: the file of tests.
        new_id: makes request ids.
        answers: what is known beside the file.
    """

    def __init__(
        self, text: Text, read: Read, new_id: Callable[[], bytes], answers: Careful
    ) -> None:
        self._text = text
        self._policy = text.loaded.policy
        self._tenants: dict[str, TenantRecord] = {
            name: record_of(name, tenant) for name, tenant in read.cases.tenants.items()
        }
        self._new_id = new_id
        self._answers = answers
        self._now = 0.0
        # What fails is remembered by the steps themselves, and what is charged by counters.
        self._is_fresh = self._policy.has_limits
        self._stage = self._new_stage()

    def _new_stage(self) -> Stage:
        known = assumed(self._policy, lambda: self._now, self._tenants, knows_all_tenants=True)
        return Stage(build(self._policy, known), self._answers, self._new_id)

    async def run(self, trial: Trial) -> Result:
        """Play a test as often as it says."""
        stage = self._new_stage() if self._is_fresh else self._stage
        played: list[Played] = []
        wrong: list[str] = []
        for turn in range(trial.repeat):
            self._now = trial.asked.at + turn * trial.every
            asked = replace(trial.asked, at=self._now)
            one = await stage.play(asked)
            # It is over when the next one comes; what comes at one time goes on at one time.
            for slot in one.exchange.slots if trial.every else ():
                slot.release()
            # The first and the last: what a hundred thousand did is told by them.
            played = [*played[:1], one]
            if turn + 1 == trial.repeat:
                wrong += mismatches(trial.expect, one)
            elif trial.before is not None and (found := mismatches(trial.before, one)):
                wrong += [f"time {turn + 1}: {words}" for words in found]
                break
        return Result(trial, tuple(played), tuple(wrong), self._cause(played[-1]))

    def _cause(self, played: Played) -> str:
        if played.unknown is not None:
            return f"not known: {played.unknown}"
        if not isinstance(played.outcome, Refuse):
            return ""
        path = ruling(self._policy, played.index, played.step, played.outcome, played.exchange)
        key = self._text.written(path)
        where = "" if key is None else f" ({key})"
        return f"{played.step}: {played.outcome.reason}{where}"


def mismatches(expect: Expect, played: Played) -> list[str]:
    """List what is not as expected, in words."""
    if played.unknown is not None:
        # Nothing was decided: an expectation that is met all the same would prove nothing.
        return [f"outcome: expected {expect.outcome or 'a decision'}, got unknown"]
    code = played.outcome.code if isinstance(played.outcome, Refuse) else None
    reason = played.outcome.reason if played.outcome is not None else ""
    facts = (
        ("outcome", expect.outcome, played.word),
        ("status", expect.status, played.status),
        ("code", expect.code, code),
        ("step", expect.step, played.step),
    )
    wrong = [
        f"{name}: expected {wanted}, got {found or 'none'}"
        for name, wanted, found in facts
        if wanted is not None and wanted != found
    ]
    if expect.status is not None and played.word == "admit":
        wrong.append("status: what is admitted is answered by the upstream: outcome: admit")
    if expect.reason is not None and expect.reason not in reason:
        wrong.append(f"reason: expected '{expect.reason}' in it, got '{reason}'")
    if expect.upstream_headers and played.word != "admit":
        wrong.append(f"upstream_headers: the upstream gets nothing: got {played.word}")
    else:
        lines = played.exchange.upstream_lines if played.word == "admit" else ()
        wrong += _fields("upstream_headers", expect.upstream_headers, lines)
    wrong += _fields("response_headers", expect.response_headers, played.lines)
    return wrong


def _fields(name: str, wanted: dict[str, str | None], lines: Iterable[bytes]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for line in split_lines(lines):
        field, _, own = line.partition(b":")
        found.setdefault(field.decode("latin-1").lower(), []).append(text_of(own.strip(b" \t")))
    for field_name, value in wanted.items():
        values = found.get(field_name.lower(), [])
        got = f"'{values[0]}'" if values else "none"
        if value is None and values:
            yield f"{name}: expected no {field_name}, got {got}"
        elif value is not None and value not in values:
            yield f"{name}: expected {field_name}: '{value}', got {got}"
