"""Have rules read a request's body before the upstream gets it (RQ-2, RQ-3, TN-2, TN-5, TN-7)."""

from typing import ClassVar, Final

from sidecar.knowledge.validate.items import ItemCounter
from sidecar.knowledge.validate.media import coding_of, media_type
from sidecar.knowledge.validate.reading import Items, Judge, Reading, too_many
from sidecar.model.body import About, Coding, Collected, Finding, Form
from sidecar.model.exchange import Exchange
from sidecar.model.headers import canonical
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import JudgeBody, Question, ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step

INLINE_BYTES: Final = 32_768
"""Largest body that is judged at once: 8 ms for the densest JSON, 0.3 ms for usual JSON."""

_NAMES: Final = frozenset((b"content-type", b"content-encoding"))
_LENGTHS: Final = frozenset(map(len, _NAMES))
_BODIED: Final = frozenset({b"POST", b"PUT", b"PATCH"})


class ItemWatch:
    """Refuses a batch as soon as it has an item too many (RQ-2)."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._counter = ItemCounter(items.at)

    def objection(self, received: bytes) -> Refuse | None:
        """Count the items that the bytes begin."""
        if self._counter.feed(received) <= self._items.most:
            return None
        finding = too_many(self._items)
        return Refuse(finding.code, finding.reason)


class BodyRules(Step):
    """Have a body judged, if its form is one that the rules can read; refuse it otherwise."""

    name: ClassVar[str] = "body_rules"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(
        self, reading: Reading, judge: Judge, mismatch: RefusalCode = RefusalCode.FORBIDDEN
    ) -> None:
        """Keep what is the same for every request.

        Args:
            reading: what the route demands.
            judge: the same, compiled.
            mismatch: code for a tenant that is not the caller's; NOT_FOUND hides the route.
        """
        self._reading = reading
        self._judge = judge
        self._mismatch = mismatch

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Ask for the body, unless what is said of it is enough to refuse it.

        Controls: RQ-3.
        """
        head = exchange.head
        if head is None:
            return PASS
        if head.length == 0:
            return self._of_nothing(head)
        found = self._about(exchange, head)
        if isinstance(found, Refuse):
            return found
        items = self._reading.items
        is_plain = found.form is Form.JSON and found.coding is Coding.IDENTITY
        return Ask(ReadBody(found, None if items is None or not is_plain else ItemWatch(items)))

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Judge the body, or have it judged elsewhere where that takes long.

        Controls: RQ-2, RQ-3, TN-2, TN-5, TN-7.
        """
        if isinstance(answer, Refuse):
            return answer
        about = question.about if isinstance(question, ReadBody) else None
        if not isinstance(answer, Collected) or about is None:
            return self._outcome(answer if isinstance(answer, Finding) else None)
        head = exchange.head
        if not answer.size and head is not None:
            return self._of_nothing(head)
        if answer.content is None or self._becomes(answer.size, about) > INLINE_BYTES:
            return Ask(JudgeBody(answer, self._reading, about))
        return self._outcome(self._judge.judge(answer.content, about))

    def _becomes(self, size: int, about: About) -> int:
        return size if about.coding is Coding.IDENTITY else size * self._reading.unpacking.ratio

    def _of_nothing(self, head: RequestHead) -> Outcome:
        """Judge a request without content: it breaks only rules that want to see something."""
        if head.method in _BODIED and self._reading.wants_content:
            return Refuse(RefusalCode.BAD_REQUEST, "there is no body, and the rules want one")
        return PASS

    def _about(self, exchange: Exchange, head: RequestHead) -> About | Refuse:
        if is_respelt(head):
            return Refuse(RefusalCode.BAD_REQUEST, "a field about the body in another spelling")
        values = head.values(b"content-type")
        kind = media_type(values[0]) if len(values) == 1 else None
        form = None if kind is None else kind.form
        if kind is None or form is None or not self._reading.reads(form):
            return _unreadable("the rules of the route cannot read a body of this type")
        if not kind.is_utf_8:
            return _unreadable("the charset of the body is not UTF-8")
        coding = coding_of(head.values(b"content-encoding"))
        if coding is None or (form is not Form.JSON and coding is not Coding.IDENTITY):
            # Many services undo no coding, and gzip has room for text: what is packed would be
            # another form to them. No packed bytes are JSON.
            undone = "cannot be undone" if coding is None else "is none that forms may have"
            return _unreadable(f"the content coding of the body {undone}")
        if form is Form.MULTIPART and not kind.boundary:
            return Refuse(RefusalCode.BAD_REQUEST, "the form names no boundary, or an unsafe one")
        return self._of(exchange, form, coding, kind.boundary)

    def _of(self, exchange: Exchange, form: Form, coding: Coding, boundary: bytes) -> About:
        """Say what is known of the body; who calls is none of it."""
        del exchange
        return About(form, coding, boundary)

    def _outcome(self, finding: Finding | None) -> Outcome:
        if finding is None:
            return PASS
        if not finding.is_mismatch:
            return Refuse(finding.code, finding.reason, faults=finding.faults)
        hides = self._mismatch is RefusalCode.NOT_FOUND
        return Refuse(self._mismatch, finding.reason, hides_route=hides)


class CallerBodyRules(BodyRules):
    """The same where rules compare the body with who calls."""

    reads: ClassVar[frozenset[str]] = frozenset({"head", "principal", "tenant"})

    def _of(self, exchange: Exchange, form: Form, coding: Coding, boundary: bytes) -> About:
        tenant = exchange.tenant
        if tenant is None:
            return About(form, coding, boundary)
        project = exchange.principal.project
        projects = frozenset(tenant.projects)
        return About(form, coding, boundary, tenant.id, project or "", projects)


def is_respelt(head: RequestHead) -> bool:
    """Tell whether a service could read the body by another field than we do.

    CGI and its heirs take `Content_Type` for `Content-Type`, and JSON can be written so that it is
    another form's fields as well.
    """
    names = [line.partition(b":")[0] for line in head.lines]
    return any(
        canonical(name) in _NAMES and name.lower() not in _NAMES
        for name in names
        if len(name) in _LENGTHS
    )


def _unreadable(reason: str) -> Refuse:
    return Refuse(RefusalCode.UNSUPPORTED_MEDIA_TYPE, reason)
