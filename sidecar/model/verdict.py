"""How an exchange ended, for audit and metrics."""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.model.refusals import RefusalCode


class Ending(StrEnum):
    """The five ways in which an exchange ends."""

    ADMITTED = "admitted"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    ABANDONED = "abandoned"


CLIENT_LEFT = 499
"""Status recorded when the client left before an answer began; it is never sent."""


@dataclass(init=False, slots=True)
class Verdict:
    """How an exchange ended.

    Attributes:
        ending: admitted (the upstream answered), answered (the sidecar did, as it should),
            refused (a step or the framing said no), failed (the upstream or the sidecar could
            not), abandoned (the client left).
        status: status that the client got; CLIENT_LEFT if none.
        code: refusal code, None for what the upstream answered.
        reason: why, in words, for the audit record alone.
        step: step that refused or answered, `framing` or `upstream`; empty when none did.
        seconds: from the complete head to the last byte of the answer.
        upstream_seconds: from the request's hand-over to the upstream's head; None without one.
        received_bytes: body bytes from the client.
        sent_bytes: body bytes to the client.
        is_upgraded: whether the connection became a WebSocket.
        own_seconds: what of `seconds` the sidecar took itself; None where nobody can tell.
        handed_over: from the complete head to the request's hand-over to the upstream, in seconds;
            None without one.
    """

    ending: Ending
    status: int
    code: RefusalCode | None
    reason: str
    step: str
    seconds: float
    upstream_seconds: float | None
    received_bytes: int
    sent_bytes: int
    is_upgraded: bool
    own_seconds: float | None
    handed_over: float | None

    # Written out: the constructor that `dataclass` makes stays interpreted, and costs 0.4 µs more.
    def __init__(  # noqa: PLR0913, PLR0917 -- as many as there are facts
        self,
        ending: Ending,
        status: int,
        code: RefusalCode | None,
        reason: str,
        step: str,
        seconds: float,
        upstream_seconds: float | None,
        received_bytes: int,
        sent_bytes: int,
        is_upgraded: bool,  # noqa: FBT001 -- by position, as a dataclass takes it
        own_seconds: float | None = None,
        handed_over: float | None = None,
    ) -> None:
        self.ending = ending
        self.status = status
        self.code = code
        self.reason = reason
        self.step = step
        self.seconds = seconds
        self.upstream_seconds = upstream_seconds
        self.received_bytes = received_bytes
        self.sent_bytes = sent_bytes
        self.is_upgraded = is_upgraded
        self.own_seconds = own_seconds
        self.handed_over = handed_over
