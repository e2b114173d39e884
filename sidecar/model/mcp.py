"""What is known of a request of the Model Context Protocol, and what its answer must go through."""

from dataclasses import dataclass
from typing import Protocol

from sidecar.model.message import ResponseHead


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool, as the audit record has it; no argument is part of it.

    Attributes:
        tool: name of the tool, as sent.
        digest: SHA-256 of the arguments as received, as hexadecimal digits.
        cleaned: the same of the arguments that went on; None for those that went on as received.
    """

    tool: str
    digest: str
    cleaned: str | None = None


class Rewriting(Protocol):
    """An answer on its way through a filter.

    Attributes:
        head: the head that the client gets; of a whole answer once `end` was called.
        is_whole: whether nothing goes on before the answer is whole.
    """

    head: ResponseHead
    is_whole: bool

    def feed(self, received: bytes) -> bytes:
        """Take bytes of the answer, and return what goes on.

        Raises:
            UpstreamError: it cannot be filtered.
        """

    def end(self) -> bytes:
        """Return what goes on at the end of the answer.

        Raises:
            UpstreamError: it cannot be filtered.
        """


class AnswerFilter(Protocol):
    """What answers must go through so that a caller sees what it may use, and no more."""

    def begin(self, head: ResponseHead) -> Rewriting | None:
        """Look at the head of an answer; None for one without anything to filter.

        Raises:
            UpstreamError: what comes cannot be filtered.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Rpc:
    """What is known of a request of the protocol.

    Attributes:
        calls: the calls of tools that it makes.
        content: body that goes on in the place of the one that was received; None for that one.
        filter: what its answer must go through; None for nothing.
    """

    calls: tuple[ToolCall, ...] = ()
    content: bytes | None = None
    filter: AnswerFilter | None = None
