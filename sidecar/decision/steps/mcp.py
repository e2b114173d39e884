"""Judge requests of the Model Context Protocol before the service gets them (RQ-6).

Source: MCP 2025-03-26 and 2025-06-18, streamable HTTP: messages come with POST, GET opens an event
stream, DELETE ends a session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from sidecar.decision.steps.body_rules import is_respelt
from sidecar.knowledge.mcp.firewall import Allowed, Firewall, Judgement
from sidecar.knowledge.validate.media import coding_of, media_type
from sidecar.model.body import About, Coding, Collected, Form
from sidecar.model.exchange import Exchange
from sidecar.model.mcp import AnswerFilter, Rpc
from sidecar.model.memo import Memo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import Question, ReadBody
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep

_BODILESS: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
_ANYBODY: Final = ("anonymous",)
_MESSAGE: Final = About(Form.JSON)

_NO_METHOD: Final = Refuse(
    RefusalCode.METHOD_NOT_ALLOWED, "no method of MCP", (b"Allow: GET, POST, DELETE",)
)
_NO_TUNNEL: Final = Refuse(RefusalCode.BAD_REQUEST, "MCP is not spoken over WebSocket here")
_BODY: Final = Refuse(RefusalCode.BAD_REQUEST, "a body where MCP has none")
_NO_BODY: Final = Refuse(RefusalCode.BAD_REQUEST, "there is no message")
_NO_JSON: Final = Refuse(
    RefusalCode.UNSUPPORTED_MEDIA_TYPE, "a message of MCP is JSON in UTF-8, without content coding"
)
_RESPELT: Final = Refuse(RefusalCode.BAD_REQUEST, "a field about the message in another spelling")
_LARGE: Final = Refuse(
    RefusalCode.PAYLOAD_TOO_LARGE, "a message of MCP is larger than `bodies.memory`"
)


@dataclass(frozen=True, slots=True)
class Entitled:
    """What callers of some roles may use.

    Attributes:
        allowed: the same for requests.
        answers: the same for answers; None where nothing is kept from anybody.
    """

    allowed: Allowed
    answers: AnswerFilter | None


class McpFirewall(AskingStep):
    """Let pass what everybody may call, and what holds no reserved tokens."""

    name: ClassVar[str] = "mcp"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, firewall: Firewall, entitled: "Entitlements") -> None:
        """Keep what is the same for every request.

        Args:
            firewall: judges bodies.
            entitled: what callers may use, by their roles.
        """
        self._firewall = firewall
        self._entitled: Memo[tuple[str, ...], Entitled] = Memo(entitled.of)

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Ask for the message, unless what is said of it is enough to refuse it.

        Controls: RQ-6.
        """
        head = exchange.head
        if head is None:
            return PASS
        if head.is_websocket:
            return _NO_TUNNEL
        if head.method in _BODILESS:
            if head.length != 0:
                return _BODY
            if head.method == b"GET":
                # Whoever resumes a stream gets answers to requests of before.
                exchange.rpc = Rpc(filter=self._caller(exchange).answers)
            return PASS
        if head.method != b"POST":
            return _NO_METHOD
        return self._of_post(head)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Judge the message.

        Controls: RQ-6.
        """
        del question
        if isinstance(answer, Refuse):
            return answer
        if not isinstance(answer, Collected) or not answer.size:
            return _NO_BODY
        if answer.content is None:
            return _LARGE
        caller = self._caller(exchange)
        judgement = self._firewall.judge(answer.content, caller.allowed)
        # What a batch asks beside a list comes in the same answer.
        answers = caller.answers if judgement.lists else None
        exchange.rpc = Rpc(judgement.calls, judgement.content, answers)
        return _outcome(exchange, judgement)

    def _caller(self, exchange: Exchange) -> Entitled:
        return self._entitled(self._roles(exchange))

    def _roles(self, exchange: Exchange) -> tuple[str, ...]:
        """Say which roles the caller has; on a public route nobody is asked."""
        del exchange
        return _ANYBODY

    @staticmethod
    def _of_post(head: RequestHead) -> Outcome | Ask:
        if head.length == 0:
            return _NO_BODY
        if is_respelt(head):
            return _RESPELT
        values = head.values(b"content-type")
        kind = media_type(values[0]) if len(values) == 1 else None
        coding = coding_of(head.values(b"content-encoding"))
        if kind is None or kind.essence != "application/json" or not kind.is_utf_8:
            return _NO_JSON
        return Ask(ReadBody(_MESSAGE)) if coding is Coding.IDENTITY else _NO_JSON


class CallerMcpFirewall(McpFirewall):
    """The same where callers have roles."""

    reads: ClassVar[frozenset[str]] = frozenset({"head", "roles"})

    def _roles(self, exchange: Exchange) -> tuple[str, ...]:
        return exchange.roles


class Entitlements:
    """What may be used, by role; higher roles have what lower ones have."""

    def __init__(self, by_role: Mapping[str, Entitled]) -> None:
        self._by_role = by_role

    def of(self, roles: tuple[str, ...]) -> Entitled:
        """Say what a caller of these roles may use: what the highest of them may."""
        for role, entitled in self._by_role.items():
            if role in roles:
                return entitled
        return self._by_role[""]


def _outcome(exchange: Exchange, judgement: Judgement) -> Outcome:
    reported, finding = judgement.reported, judgement.finding
    if reported is not None and judgement.content is None:
        exchange.shadow.append(Refuse(reported.code, reported.reason, faults=reported.faults))
    if finding is None:
        return PASS
    return Refuse(finding.code, finding.reason, faults=finding.faults, rpc=judgement.rpc)
