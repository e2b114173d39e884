"""The second reader of request field lines: aiohttp's C parser, llhttp.

It never sees a request line, a field of the framing or a body: fed with whole messages it turns the
last trailer field of one request into a field of the next (measured on aiohttp 3.12 to 3.14.5).
"""

from collections.abc import Sequence
from typing import Final, Protocol

from aiohttp.http_exceptions import HttpProcessingError

from sidecar.knowledge.http1.lines import MalformedLineError, split_line
from sidecar.model.errors import InstallationError

try:
    # Without its extension aiohttp would fall back to a parser in Python, another reader.
    from aiohttp._http_parser import (  # type: ignore[import-not-found]  # Cython has no stubs
        HttpRequestParser,
    )
except ImportError as error:
    raise InstallationError(
        "aiohttp's C parser is missing; reinstall aiohttp from a wheel"
    ) from error

_STAND_IN: Final = b"GET / HTTP/1.1\r\nHost: stand-in"
# Our own limits come first; the parser's are only out of the way.
_PARSER_BYTES: Final = 1 << 24
_PARSER_FIELDS: Final = 1 << 16


class _Message(Protocol):
    raw_headers: tuple[tuple[bytes, bytes], ...]


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> tuple[Sequence[tuple[_Message, object]], bool, bytes]: ...


class _NoFlow:
    """Stands in for the transport that the parser would pause over a body."""


class SecondReader:
    """Reads field lines within a head of our own making; one for each connection."""

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        # Most connections send lines that others sent before: the parser is made when needed.
        self._parser: _Parser | None = None

    def confirm(self, lines: Sequence[bytes]) -> None:
        """Read lines that frame nothing: no body, no upgrade.

        Args:
            lines: field lines that `split_line` accepts.

        Raises:
            MalformedLineError: the parser refuses them, or sees other fields than `split_line`.
        """
        parser = self._parser or _new_parser()
        # Kept only if it agrees: after a refusal its state is nobody's business.
        self._parser = None
        try:
            messages, is_upgraded, tail = parser.feed_data(
                b"\r\n".join((_STAND_IN, *lines, b"\r\n"))
            )
        except HttpProcessingError as error:
            raise MalformedLineError("the second reader refuses a field line") from error
        ours = tuple([split_line(line) for line in lines])
        if is_upgraded or tail or [message.raw_headers[1:] for message, _ in messages] != [ours]:
            raise MalformedLineError("the two readers disagree")
        self._parser = parser


def _new_parser() -> _Parser:
    parser: _Parser = HttpRequestParser(
        _NoFlow(),
        None,
        1,
        max_line_size=_PARSER_BYTES,
        max_headers=_PARSER_FIELDS,
        max_field_size=_PARSER_BYTES,
        auto_decompress=False,
    )
    return parser
