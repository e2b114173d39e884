"""Read the path in one way, or refuse it: what policy judges is what the upstream gets (RQ-4)."""

import re
from typing import ClassVar, Final, Self

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.routes import Route

# What most paths do not hold, beside `//` and `/.`: RFC 3986 §3.3 pchar but ';' and escapes.
_UNUSUAL: Final = re.compile(rb"[^/A-Za-z0-9._~!$&'()*+,=:@-]")
_DOT: Final = 0x2E
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
# An escape that survives one decoding would be decoded by a service that decodes again and again.
_TWICE: Final = re.compile(r"%(?:25)*(?:[01][0-9a-f]|2[ef]|3b|5c|7f)", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Browsers escape these in paths; a service that repairs them would read another path than we do.
_UNESCAPED: Final = re.compile(rb'["<>^`{}]')
_DOTS: Final = frozenset({".", ".."})

RESERVED: Final = ".sidecar"
"""First path segment that belongs to the sidecar on every host."""


class _TwoReadingsError(ValueError):
    """The path could be read in two ways; the message says why."""


class Path(Step):
    """Split and decode the path, refusing every form with two readings."""

    name: ClassVar[str] = "path"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset({"segments", "has_encoded_slash"})
    can_shadow: ClassVar[bool] = False

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the decoded segments.

        Source: RFC 3986 §3.3, §5.2.4, §6.2.2. Controls: RQ-4.
        """
        head = exchange.head
        path = head.path if head is not None else b"/"
        exchange.has_encoded_slash = False
        # A plain path, as most are: one expression for its whole grammar takes 0.2 µs more, and so
        # do two searches for `//` and `/.`.
        if (
            path[:1] == b"/"
            and not _UNUSUAL.search(path)
            and (_DOT not in path or path.find(b"/.") < 0)
        ):
            segments = path[1:].decode().split("/")
            if not segments[-1]:
                segments.pop()
            if "" not in segments:
                exchange.segments = tuple(segments)
                return PASS
        return self._read(path, exchange)

    @staticmethod
    def _read(path: bytes, exchange: Exchange) -> Outcome:
        if path == b"*":
            exchange.segments = ("*",)
            return PASS
        try:
            segments = tuple(_segment(part) for part in _parts(path))
        except _TwoReadingsError as error:
            return Refuse(RefusalCode.BAD_REQUEST, str(error))
        exchange.segments = segments
        exchange.has_encoded_slash = any("/" in segment for segment in segments)
        if segments and segments[0].split("/")[0].lower() == RESERVED:
            return Refuse(RefusalCode.NOT_FOUND, "reserved path")
        return PASS


class EncodedSlash(Step):
    """Refuse an encoded slash on a route that does not allow it."""

    name: ClassVar[str] = "path"
    reads: ClassVar[frozenset[str]] = frozenset({"has_encoded_slash"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    @classmethod
    def compile(cls, route: Route | None) -> Self | None:
        """Be absent from routes that say `allow_encoded_slash`; None stands for no route."""
        return None if route is not None and route.allow_encoded_slash else cls()

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse if a segment holds an encoded slash.

        Controls: RQ-4.
        """
        if exchange.has_encoded_slash:
            return Refuse(RefusalCode.BAD_REQUEST, "encoded slash in the path")
        return PASS


def _parts(path: bytes) -> list[bytes]:
    if b"\\" in path:
        raise _TwoReadingsError("backslash in the path")
    if b";" in path:
        raise _TwoReadingsError("path parameter (;)")
    if _UNESCAPED.search(path):
        raise _TwoReadingsError("a byte that must be escaped in the path")
    parts = path.removesuffix(b"/").split(b"/")[1:]
    if b"" in parts or path.endswith(b"//"):
        raise _TwoReadingsError("empty path segment (//)")
    return parts


def _segment(raw: bytes) -> str:
    if any(escape[1] is None for escape in _ESCAPE.finditer(raw)):
        raise _TwoReadingsError("malformed percent-encoding in the path")
    try:
        text = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw).decode()
    except UnicodeDecodeError as error:
        raise _TwoReadingsError("the path is not UTF-8") from error
    if "\\" in text or ";" in text:
        raise _TwoReadingsError("encoded backslash or semicolon in the path")
    if _CONTROL.search(text):
        raise _TwoReadingsError("control character in the path")
    if _TWICE.search(text):
        raise _TwoReadingsError(
            "doubly encoded dot, slash, backslash, semicolon or control character"
        )
    pieces = text.split("/")
    if any(piece in _DOTS for piece in pieces):
        raise _TwoReadingsError("dot segment in the path")
    if len(pieces) > 1 and "" in pieces:
        raise _TwoReadingsError("empty segment beside an encoded slash in the path")
    return text
