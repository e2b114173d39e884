"""Play a request through the decision core: the proxy's reader, its steps and its answers.

What a client and an upstream would do is left out; what the policy decides is the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from sidecar.decision import traced
from sidecar.decision.facts import shown, shown_taken
from sidecar.decision.pipeline import Generation
from sidecar.decision.runner import Waiting, respond
from sidecar.fronts.proxy.answering import own_parts
from sidecar.fronts.proxy.intake import Intake, take_head
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.assuming import assumed_step
from sidecar.fronts.proxy.spool import PIECE_BYTES
from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.model.body import Collected, Watch
from sidecar.model.errors import ProtocolError, StoreUnavailableError
from sidecar.model.exchange import GIVEN, Connection, Exchange
from sidecar.model.identity import Principal, TenantRecord
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.ports import Answers
from sidecar.model.questions import FindTenant, JudgeBody, Question, ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Step

OK: Final = 200

_LATE: Final = Refuse(
    RefusalCode.REQUEST_TIMEOUT, "the body ends before its Content-Length: the rest never comes"
)
_OVERRUN: Final = Refuse(RefusalCode.PAYLOAD_TOO_LARGE, "body above the limit while streaming")


class NotKnownError(Exception):
    """An answer is not at hand here, and nothing is assumed in its place.

    Attributes:
        what: what would have to be known.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(slots=True)
class Seen:
    """What one step did.

    Attributes:
        step: the step.
        reads: facts that it read, as they may be shown.
        writes: facts that it wrote or replaced, likewise.
        asked: the questions that it asked, and what was answered.
        outcome: what ended the exchange here; None where it went on.
        shadowed: refusals that were only recorded.
    """

    step: Step
    reads: dict[str, object] = field(default_factory=dict)
    writes: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    outcome: Refuse | Respond | None = None
    shadowed: tuple[Refuse, ...] = ()


class Trace:
    """Takes down what steps do.

    Attributes:
        seen: what each of them did, in order.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._before: dict[str, object] = {}

    def begins(self, step: Step, exchange: Exchange) -> None:
        """Take down what a step is about to read."""
        reads = {fact: shown(exchange, fact) for fact in sorted(step.reads)}
        self.seen.append(Seen(step, reads))
        self._before = {fact: shown(exchange, fact) for fact in GIVEN}

    def asked(self, step: Step, question: Question) -> None:
        """Take down a question."""
        del step
        self.seen[-1].asked.append((type(question).__name__, ""))

    def answered(self, step: Step, exchange: Exchange, answer: object) -> None:
        """Take down that there was an answer."""
        del step, exchange
        question, _ = self.seen[-1].asked[-1]
        self.seen[-1].asked[-1] = (question, "nothing" if answer is None else "found")

    def ended(
        self,
        step: Step,
        exchange: Exchange,
        outcome: Refuse | Respond | None,
        shadowed: Sequence[Refuse],
    ) -> None:
        """Take down what came of it."""
        seen = self.seen[-1]
        written = {fact for fact in GIVEN if shown(exchange, fact) != self._before[fact]}
        seen.writes = {fact: shown(exchange, fact) for fact in sorted(step.writes | written)}
        seen.outcome, seen.shadowed = outcome, tuple(shadowed)


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a request.

    Attributes:
        asked: the request.
        exchange: its notebook.
        index: index of its route in the policy; None where none matched.
        seen: what each step did.
        outcome: the refusal, or what a step answers; None for what goes upstream.
        step: step that refused or answered, or `framing`; empty for none.
        unknown: what would have to be known to decide; None where all was.
        status: status of the sidecar's own answer; 0 for what goes upstream, or is not known.
        lines: field lines of the answer; those that an empty answer of the upstream would get.
        body: body of the sidecar's own answer.
    """

    asked: Asked
    exchange: Exchange
    index: int | None
    seen: tuple[Seen, ...]
    outcome: Refuse | Respond | None
    step: str
    unknown: str | None = None
    status: int = 0
    lines: tuple[bytes, ...] = ()
    body: bytes = b""

    @property
    def word(self) -> str:
        """What became of it in a word: `admit`, `refuse`, `answer` or `unknown`."""
        if self.unknown is not None:
            return "unknown"
        if self.outcome is None:
            return "admit"
        return "refuse" if isinstance(self.outcome, Refuse) else "answer"

    @property
    def charges(self) -> list[dict[str, object]]:
        """What it took from which limits."""
        return shown_taken(self.exchange.taken)


class Stage:
    """A policy, compiled, and whoever answers what its steps ask.

    Args:
        generation: the policy.
        answers: what is known; it raises NotKnownError for what is not.
        new_id: makes request ids.
    """

    def __init__(
        self, generation: Generation, answers: Answers, new_id: Callable[[], bytes]
    ) -> None:
        self.generation = generation
        self._answers = answers
        self._new_id = new_id
        self._indexes = {id(plan): at for at, plan in enumerate(generation.plans)}
        self._lines = new_request_lines(generation.managed, generation.credentials)
        self._hosts = new_hosts()

    async def play(self, asked: Asked) -> Played:
        """Decide a request."""
        policy = self.generation.policy
        connection = Connection(asked.peer, asked.is_tls, policy.listen.proxy.port)
        trace = Trace()
        try:
            head, body, is_whole = self._read(asked)
        except ProtocolError as error:
            exchange = Exchange(connection, None, asked.at, self._new_id())
            outcome = Refuse(error.code, error.reason)
            return self._ended(asked, exchange, trace, outcome, "framing")
        exchange = Exchange(connection, head, asked.at, self._new_id())
        exchange.refused_by = ""
        playing = _Playing(exchange, body, trace, self._answers)
        try:
            ended = await playing.run(self.generation, asked.principal)
        except NotKnownError as error:
            return Played(
                asked, exchange, self._index(exchange), tuple(trace.seen), None,
                trace.seen[-1].step.name, error.what,
            )  # fmt: skip
        if ended is None and not is_whole:
            exchange.refused_by = "framing"
            ended = _LATE
        return self._ended(asked, exchange, trace, ended, exchange.refused_by)

    def _read(self, asked: Asked) -> tuple[RequestHead, bytes, bool]:
        """Read the request as a connection reads it; say whether all of its body is there.

        Raises:
            ProtocolError: it is none.
        """
        limits = self.generation.policy.listen.limits
        bounds = HeadLimits(limits.start_line, limits.head, limits.fields)
        parser = RequestHeadParser(bounds, self._lines, self._hosts, is_tls=asked.is_tls)
        head, rest = take_head(parser, asked.message())
        if head is None:
            raise ProtocolError(RefusalCode.REQUEST_TIMEOUT, "the head never ends")
        intake = Intake(head.length, 0.0)
        return head, intake.feed(rest), intake.decoder.done

    def _index(self, exchange: Exchange) -> int | None:
        plan = getattr(exchange, "route", None)
        return None if plan is None else self._indexes.get(id(plan))

    def _ended(
        self,
        asked: Asked,
        exchange: Exchange,
        trace: Trace,
        outcome: Refuse | Respond | None,
        step: str,
    ) -> Played:
        plan: RoutePlan = getattr(exchange, "route", self.generation.unrouted)
        body = b""
        if outcome is None:
            exchange.status = OK
            exchange.response_lines = []
            respond(plan.response, exchange)
            lines = exchange.response_lines
        else:
            date = formatdate(asked.at, usegmt=True).encode()
            lines, body = own_parts(self.generation, plan, exchange, outcome, date)
        status = 0 if outcome is None else exchange.status
        return Played(
            asked, exchange, self._index(exchange), tuple(trace.seen), outcome,
            step if outcome is not None else "", None, status, tuple(lines), body,
        )  # fmt: skip


class _OverrunError(Exception):
    """More came of a body than the route accepts, while it was waited for."""


class _Playing:
    """One exchange under way."""

    def __init__(self, exchange: Exchange, body: bytes, trace: Trace, answers: Answers) -> None:
        self._exchange = exchange
        self._body = body
        self._trace = trace
        self._answers = answers
        self._is_assumed = False

    async def run(
        self, generation: Generation, principal: Principal | None
    ) -> Refuse | Respond | None:
        exchange = self._exchange
        outcome = await self._through(generation.edge, shadow=generation.shadow)
        if outcome is not None:
            return outcome
        plan = exchange.route
        steps = plan.steps
        if principal is not None:
            self._is_assumed = True
            steps = [assumed_step(step, principal) for step in steps]
        try:
            outcome = await self._through(steps, shadow=plan.shadow)
        except _OverrunError:
            exchange.refused_by = "declared_body"
            return _OVERRUN
        return self._overrun() if outcome is None else outcome

    async def _through(self, steps: Sequence[Step], *, shadow: bool) -> Refuse | Respond | None:
        exchange, trace = self._exchange, self._trace
        outcome = traced.decide(steps, exchange, shadow=shadow, observer=trace)
        while isinstance(outcome, Waiting):
            try:
                answer = await self._answer(outcome.question)
            except StoreUnavailableError as error:
                refusal = Refuse(RefusalCode.STORE_UNAVAILABLE, error.reason, has_floor=True)
                return traced.refuse_unanswered(outcome, refusal, exchange, trace)
            outcome = traced.resume(outcome, answer, exchange, trace)
        return outcome

    async def _answer(self, question: Question) -> object:
        if isinstance(question, ReadBody):
            return self._collected(question)
        if isinstance(question, JudgeBody):
            return await asyncio.to_thread(_judged, question)
        try:
            return await self._answers.find(question)
        except NotKnownError:
            if self._is_assumed and isinstance(question, FindTenant):
                # Whoever says who the caller is says as well that there is such a tenant.
                return TenantRecord(question.tenant, version=0)
            raise

    def _collected(self, question: ReadBody) -> Collected | Refuse:
        if self._overrun() is not None:
            raise _OverrunError
        objection = None if question.watch is None else _objection(question.watch, self._body)
        if objection is not None:
            return objection
        return Collected(len(self._body), self._body, at=self._exchange.now)

    def _overrun(self) -> Refuse | None:
        """Refuse a body of which more came than the route accepts, as `Admission.overrun`."""
        exchange = self._exchange
        if len(self._body) <= exchange.body_limit:
            return None
        if not exchange.route.shadow:
            exchange.refused_by = "declared_body"
            return _OVERRUN
        if all(noted.code is not _OVERRUN.code for noted in exchange.shadow):
            exchange.shadow.append(_OVERRUN)
        return None


def _objection(watch: Watch, body: bytes) -> Refuse | None:
    """Have a body watched in pieces, as it would come."""
    for at in range(0, len(body), PIECE_BYTES):
        objection = watch.objection(body[at : at + PIECE_BYTES])
        if objection is not None:
            return objection
    return None


def _judged(question: JudgeBody) -> object:
    """Judge a large body here: nobody else waits."""
    from sidecar.knowledge.validate.reading import Judge, Reading

    rules, content = question.rules, question.body.content
    if not isinstance(rules, Reading) or content is None:
        raise TypeError("a body is judged by a reading, and is at hand")
    return Judge(rules).judge(content, question.about)
