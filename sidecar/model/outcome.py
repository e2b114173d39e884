"""What a step may say of an exchange: pass it on, or refuse it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

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
    """

    code: RefusalCode
    reason: str
    lines: tuple[bytes, ...] = ()


Outcome = Literal[Pass.PASS] | Refuse
