"""The same requests, direct and through the sidecar; what may differ is stated here."""

import http.client
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Origin = tuple[str, int]

# What the sidecar changes on purpose, and what belongs to one connection or one moment.
DIFFERS = frozenset({
    "date",                # of a moment
    "connection",          # hop by hop (RFC 9110 §7.6.1)
    "keep-alive",
    "transfer-encoding",   # framing; the decoded bodies are compared
    "server",              # removed (RS-3)
    "x-powered-by",
    "x-request-id",        # added
})  # fmt: skip
# Security header fields (RS-3): added, or brought to one value where the service sets them too.
SECURITY = frozenset({
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "x-permitted-cross-domain-policies",
    "x-xss-protection",
})  # fmt: skip
CSP = "content-security-policy"


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `SIDE` and other words in it become those of the side that sends it.

    Attributes:
        method: the method.
        target: path and query, byte for byte.
        fields: header fields beside Host.
        body: the body; None sends none.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(slots=True)
class Reply:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str:
        return next(value for key, value in self.fields if key.lower() == name)

    def json(self) -> Any:  # noqa: ANN401 - whatever the service says
        return json.loads(self.body)


@dataclass(slots=True)
class Side:
    """One of the two ways to the service, over one connection as long as it lasts.

    Attributes:
        origin: where to connect.
        words: what SIDE and other placeholders become; of the same length on both sides.
        host: the Host field, the same on both sides, since services write it into their answers.
        fields: fields of every request, such as a token that was obtained.
    """

    origin: Origin
    words: dict[str, str]
    host: str
    fields: dict[str, str] = field(default_factory=dict)
    connection: http.client.HTTPConnection | None = None

    def send(self, call: Call) -> Reply:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.origin, timeout=30)
        self.connection.putrequest(
            call.method, self._own(call.target), skip_host=True, skip_accept_encoding=True
        )
        self.connection.putheader("Host", self.host)
        for name, value in (*self.fields.items(), *call.fields):
            self.connection.putheader(name, self._own(value))
        body = (
            None if call.body is None else self._own(call.body.decode("latin-1")).encode("latin-1")
        )
        if body is not None:
            self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body)
        response = self.connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def neutral(self, text: bytes) -> bytes:
        """Put the placeholders back."""
        for word, own in self.words.items():
            text = text.replace(own.encode(), word.encode())
        return text

    def _own(self, text: str) -> str:
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text


@dataclass(slots=True)
class Pair:
    """Both sides, and what more may differ in the answers of this service.

    Attributes:
        direct: the side without the sidecar.
        through: the side with it.
        differs: names of further response fields that differ between any two answers.
        moments: a pattern of what differs in bodies and fields from answer to answer: ids, times.
    """

    direct: Side
    through: Side
    differs: frozenset[str] = frozenset()
    moments: re.Pattern[bytes] = re.compile(rb"(?!)")
    count: int = 0
    faults: list[str] = field(default_factory=list)

    def compare(self, call: Call, status: int | None = None) -> tuple[Reply, Reply]:
        """Send a request on both sides and note every difference that is not stated."""
        direct, through = self.direct.send(call), self.through.send(call)
        self.count += 1
        where = f"{call.method} {call.target}"
        if status is not None and direct.status != status:
            self.faults.append(f"{where}: direct gives {direct.status}, not {status}")
        if direct.status != through.status:
            self.faults.append(f"{where}: {direct.status} direct, {through.status} through")
            return direct, through
        bodies = (
            self._neutral(direct.body, self.direct),
            self._neutral(through.body, self.through),
        )
        if bodies[0] != bodies[1]:
            self.faults.append(f"{where}: the bodies differ: {_first_difference(*bodies)}")
        self.faults += [f"{where}: {fault}" for fault in self._field_faults(direct, through)]
        return direct, through

    def walk(self, *calls: Call) -> None:
        for call in calls:
            self.compare(call)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.direct, self.through

    def close(self) -> None:
        self.direct.close()
        self.through.close()

    def _field_faults(self, direct: Reply, through: Reply) -> list[str]:
        ours, theirs = self._fields(through, self.through), self._fields(direct, self.direct)
        faults = [f"only direct: {line}" for line in (theirs - ours).elements()]
        faults += [f"only through: {line}" for line in (ours - theirs).elements()]
        names = Counter(name.lower() for name, _ in through.fields)
        faults += [f"{name} stands twice" for name in SECURITY if names[name] > 1]
        # A page is written for the policy that its service sends: ours must give way to it.
        own = [value for name, value in direct.fields if name.lower() == CSP]
        if own and own != [value for name, value in through.fields if name.lower() == CSP]:
            faults.append("the service's own Content-Security-Policy was changed")
        return faults

    def _fields(self, reply: Reply, side: Side) -> Counter[tuple[str, bytes]]:
        apart = DIFFERS | SECURITY | self.differs
        return Counter(
            (name.lower(), self._neutral(value.encode("latin-1"), side))
            for name, value in reply.fields
            if name.lower() not in apart
        )

    def _neutral(self, text: bytes, side: Side) -> bytes:
        return self.moments.sub(b"MOMENT", side.neutral(text))


def _first_difference(one: bytes, other: bytes) -> str:
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    start = max((min(len(one), len(other)) if place is None else place) - 40, 0)
    return (
        f"at {start}: {one[start : start + 160]!r} direct, {other[start : start + 160]!r} through"
    )
