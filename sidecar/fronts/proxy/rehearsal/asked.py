"""A request that nobody sent: its bytes are made here, and read as those of a client are."""

from dataclasses import dataclass, replace
from typing import Final, Self

from sidecar.knowledge.http1.framing import LAST_CHUNK, encode_chunk
from sidecar.model.identity import Principal

_BREAKS: Final = frozenset("\r\n")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        method: its method.
        target: path and query, as a client writes them.
        fields: its fields in order; Host and what frames the body are added where they are missing.
        body: its body.
        peer: address of the client's end of the connection.
        is_tls: whether the connection is one of TLS.
        at: Unix seconds when it comes.
        principal: who the caller is, whatever the credential; None lets the credential prove it.
    """

    method: str = "GET"
    target: str = "/"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    peer: str = "127.0.0.1"
    is_tls: bool = False
    at: float = 0.0
    principal: Principal | None = None

    @property
    def is_one_request(self) -> bool:
        """Tell whether no part breaks out of its line."""
        parts = (self.method, self.target, *(part for field in self.fields for part in field))
        return not any(_BREAKS & set(part) for part in parts)

    def has(self, name: str) -> bool:
        """Tell whether there is a field of a name, in lower case."""
        return any(own.lower() == name for own, _ in self.fields)

    def with_field(self, name: str, value: str) -> Self:
        """Set a field, in the place of all of its name."""
        others = [one for one in self.fields if one[0].lower() != name.lower()]
        return replace(self, fields=(*others, (name, value)))

    def without_field(self, name: str) -> Self:
        """Leave out all fields of a name."""
        return replace(
            self, fields=tuple(one for one in self.fields if one[0].lower() != name.lower())
        )

    def message(self) -> bytes:
        """Write the whole request."""
        own = [] if self.has("host") else [("Host", "localhost")]
        framing = []
        if self.body and not (self.has("content-length") or self.has("transfer-encoding")):
            framing = [("Content-Length", str(len(self.body)))]
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in (*own, *self.fields, *framing)]
        head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
        return head + self._framed()

    def _framed(self) -> bytes:
        if not self.has("transfer-encoding"):
            return self.body
        return (encode_chunk(self.body) if self.body else b"") + LAST_CHUNK
