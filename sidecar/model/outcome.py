"""What a step may say of an exchange: pass it on, refuse it, or ask the outside world first."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from sidecar.model.body import Fault
from sidecar.model.questions import Question
from sidecar.model.refusals import RefusalCode


class Pass(Enum):
    """The outcome that lets the exchange go on; one object, compared with `is`."""

    PASS = 0


PASS: Final = Pass.PASS


@dataclass(frozen=True, slots=True)
class Refuse:
    """The outcome that ends the exchange.

    Attributes:
        code: what the client is shown.
        reason: why, in words, for the audit record alone (AN-6).
        lines: field lines that the answer needs, such as `Allow: GET`.
        has_floor: whether the answer waits for the time floor of authentication (AN-5).
        hides_route: whether the answer must be that of an unknown route, response fields included
            (TN-2).
        faults: places of the request's body that the answer names; no value of it is among them.
        rpc: errors of JSON-RPC that answer in the place of a problem document, with 200: a client
            takes another status for the end of its session; empty for none.
    """

    code: RefusalCode
    reason: str
    lines: tuple[bytes, ...] = ()
    has_floor: bool = False
    hides_route: bool = False
    faults: tuple[Fault, ...] = ()
    rpc: bytes = b""


@dataclass(frozen=True, slots=True)
class Respond:
    """The outcome that answers the request here: nothing is wrong with it, and it goes no further.

    Attributes:
        status: status of the answer.
        reason: what was answered, in words, for the audit record.
        lines: field lines of the answer.
        body: its body, which a 204 has none of.
    """

    status: int
    reason: str
    lines: tuple[bytes, ...] = ()
    body: bytes = b""


@dataclass(init=False, slots=True)
class Ask:
    """The outcome that waits for one fact; the answer goes to the step's `resume`."""

    question: Question

    # Written out: the constructor that `dataclass` makes stays interpreted.
    def __init__(self, question: Question) -> None:
        self.question = question


Outcome = Literal[Pass.PASS] | Refuse | Respond
"""What a step says at last."""
