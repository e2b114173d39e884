"""What a row of the corpora is: raw bytes, the rule that decides about them, and what must follow.

Expectations are written by hand from the RFCs and the design, never taken from the code. A row
counts only if no other row has the same grammar production and the same reason. Where an RFC lets
a recipient choose between repairing and refusing an ambiguous message, the expectation is refusal.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

# Among the statuses of a row: the connection may end without an answer (RFC 9112 §8).
NO_ANSWER: Final = 0


class After(Enum):
    """What must become of the connection once the message was answered."""

    CLOSED = "closed, and nothing behind the message is read as a request"
    EITHER = "closed, or still in step: the next request gets its own answer"


class Reach(Enum):
    """The most that may arrive at the upstream."""

    NOTHING = "not one byte"
    PART = "a request that is valid as far as it goes, but never ends"
    WHOLE = "one request in which nothing is ambiguous any more"


class Then(Enum):
    """What a peer does after its last byte."""

    WAIT = "wait for the other side"
    EOF = "close its half of the connection"


def slug(text: str) -> str:
    """Turn a sentence into the name of a row."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that is malformed, ambiguous or beyond a limit.

    Attributes:
        production: the grammar production that is concerned, by its name in the RFC.
        reason: what is wrong with it, as a phrase.
        rule: the section that decides.
        status: the status of the answer, or several where no rule decides between them.
        raw: what the client writes; several members are several writes.
        after: what must become of the connection.
        reach: the most that may arrive at the upstream.
        then: what the client does after its last byte.
        alone: true when nothing may be written behind it: the silence or the end is the point.
        absent: names of fields, in lower case, that no request at the upstream may have.
    """

    production: str
    reason: str
    rule: str
    status: int | tuple[int, ...]
    raw: bytes | tuple[bytes, ...]
    after: After = After.CLOSED
    reach: Reach = Reach.NOTHING
    then: Then = Then.WAIT
    alone: bool = False
    absent: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        """The row's name, unique in the corpus."""
        return slug(f"{self.production} {self.reason}")

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that is right."""
        return frozenset((self.status,) if isinstance(self.status, int) else self.status)

    @property
    def writes(self) -> tuple[bytes, ...]:
        """The client's writes in order."""
        return (self.raw,) if isinstance(self.raw, bytes) else self.raw


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as the upstream must receive it.

    Attributes:
        method: the method.
        target: the request target.
        body: the content, freed from its framing.
    """

    method: bytes = b"GET"
    target: bytes = b"/row"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Legal:
    """A request that looks odd and is right: refusing it would be too much.

    Attributes:
        production: the grammar production that is concerned.
        reason: what is odd about it.
        rule: the section that allows it.
        raw: what the client writes.
        arrivals: the requests that reach the upstream, in order; each is answered with 200.
        present: fields that the (last) request has at the upstream, names in lower case.
        absent: names of fields, in lower case, that it must not have.
    """

    production: str
    reason: str
    rule: str
    raw: bytes
    arrivals: tuple[Arrival, ...] = (Arrival(),)
    present: tuple[tuple[bytes, bytes], ...] = ()
    absent: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        """The row's name, unique in the corpus."""
        return slug(f"{self.production} {self.reason}")


class Sight(Enum):
    """What a client may see of an upstream's answer."""

    REFUSED = "502 problem document in its place"
    CUT = "the beginning of it, and then the end of the connection: never a complete message"
    WHOLE = "the message, complete, and nothing else"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the upstream: malformed, ambiguous, cut short, or odd and right.

    Attributes:
        production: the grammar production that is concerned.
        reason: what is wrong or odd.
        rule: the section that decides.
        sight: what the client may see; several where no rule decides between them.
        raw: what the upstream writes when it has the request; members are apart in time.
        status: the status of the answer where it passes.
        body: the content of the answer where it passes.
        request: what the client asks.
        then: what the upstream does after its last byte.
        late: what the upstream writes a moment later, when the connection should be idle.
        absent: names of fields, in lower case, that the client must not receive.
    """

    production: str
    reason: str
    rule: str
    sight: Sight | tuple[Sight, ...]
    raw: bytes | tuple[bytes, ...]
    status: int = 200
    body: bytes = b""
    request: bytes = b"GET /row HTTP/1.1\r\nHost: a.example\r\n\r\n"
    then: Then = Then.WAIT
    late: bytes = b""
    absent: tuple[bytes, ...] = ()

    @property
    def id(self) -> str:
        """The row's name, unique in the corpus."""
        return slug(f"{self.production} {self.reason}")

    @property
    def sights(self) -> frozenset[Sight]:
        """Everything that is right for a client to see."""
        return frozenset((self.sight,) if isinstance(self.sight, Sight) else self.sight)

    @property
    def writes(self) -> tuple[bytes, ...]:
        """The upstream's writes in order."""
        return (self.raw,) if isinstance(self.raw, bytes) else self.raw


def get(*lines: bytes, target: bytes = b"/row") -> bytes:
    """Write a GET with a good request line, a good Host and the given field lines."""
    return _head(b"GET", target, lines)


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/row") -> bytes:
    """Write a POST with a good request line, a good Host, the given field lines and body."""
    return _head(b"POST", target, lines) + body


def chunked(body: bytes, target: bytes = b"/row") -> bytes:
    """Write a POST whose head is good and says `chunked`, and the given raw bytes behind it."""
    return post(b"Transfer-Encoding: chunked", body=body, target=target)


def _head(method: bytes, target: bytes, lines: tuple[bytes, ...]) -> bytes:
    start = b"%b %b HTTP/1.1\r\nHost: a.example\r\n" % (method, target)
    return start + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
