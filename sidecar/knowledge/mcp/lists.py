"""Lists of tools and prompts in answers, cut to what a caller may use (RQ-6).

An answer is known by its shape, not by the id of a request: whoever resumes a stream with
`Last-Event-ID` gets answers to requests that this exchange has never seen.

Source: MCP 2025-03-26 and 2025-06-18, transports; HTML, server-sent events.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sidecar.knowledge.http1.lines import split_line
from sidecar.knowledge.mcp.names import Names
from sidecar.knowledge.validate.media import media_type
from sidecar.model.errors import UpstreamError
from sidecar.model.mcp import Rewriting
from sidecar.model.message import UNTIL_CLOSE, ResponseHead
from sidecar.model.refusals import RefusalCode

_REDIRECTION: Final = 300
_PARTIAL: Final = 206
_EVENT_STREAM: Final = "text/event-stream"
# What describes the bytes that the service sent, and not those that go on.
_OF_THE_BYTES: Final = frozenset(
    (b"accept-ranges", b"content-digest", b"content-length", b"content-md5", b"digest", b"etag",
     b"last-modified", b"repr-digest")
)  # fmt: skip
# Atomic: the two bytes of CRLF are never two ends of a line.
_EVENT_END: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_LONGEST_END: Final = 4
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Filters answers for one caller.

    Attributes:
        names: by member of a result, the names that the caller may see there.
        most: bytes of a list, or of an event, that are held at most.
    """

    names: Mapping[str, Names]
    most: int

    def begin(self, head: ResponseHead) -> Rewriting | None:
        """Look at the head of an answer; None for one without anything to filter.

        Raises:
            UpstreamError: what comes cannot be filtered.
        """
        if head.length == 0:
            return None
        kinds = _values(head, b"content-type")
        kind = media_type(kinds[0]) if len(kinds) == 1 else None
        essence = "" if kind is None else kind.essence
        is_json = kind is not None and kind.form == "json"
        if not is_json and essence != _EVENT_STREAM:
            if head.status >= _REDIRECTION:
                return None
            raise _bad("a list came as something that is neither JSON nor an event stream")
        if head.status == _PARTIAL or kind is None or not kind.is_utf_8:
            raise _bad("a list came in part, or in another charset")
        if any(
            value.lower() not in {b"", b"identity"} for value in _values(head, b"content-encoding")
        ):
            raise _bad("a list came in a content coding that was not asked for")
        plain = [line for line in head.lines if split_line(line)[0].lower() not in _OF_THE_BYTES]
        bare = replace(head, lines=plain, length=UNTIL_CLOSE)
        return WholeList(self, bare) if is_json else EventLists(self, bare)

    def filtered(self, content: bytes) -> bytes | None:
        """Filter a message, or a batch of them; None for one that may go on as it is.

        Raises:
            ValueError: it is no JSON.
        """
        # What is not UTF-8 is read as clients read event streams, lest it pass unread.
        document = json.loads(content.decode("utf-8", "replace"))
        messages = document if isinstance(document, list) else [document]
        cut = [self._message(message) for message in messages]
        if all(new is old for new, old in zip(cut, messages, strict=True)):
            return None
        # In ASCII: text of the service may hold what UTF-8 cannot write.
        left = cut if isinstance(document, list) else cut[0]
        return json.dumps(left, separators=(",", ":")).encode()

    def _message(self, message: object) -> object:
        result = message.get("result") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(result, dict):
            return message
        changed = {
            member: [one for one in result[member] if _is_seen(one, names)]
            for member, names in self.names.items()
            if isinstance(result.get(member), list)
        }
        if all(len(kept) == len(result[member]) for member, kept in changed.items()):
            return message
        return {**message, "result": {**result, **changed}}


class WholeList(Rewriting):
    """An answer in JSON: nothing goes on before it is whole."""

    is_whole = True

    def __init__(self, rules: ListFilter, head: ResponseHead) -> None:
        self._rules = rules
        self._content = bytearray()
        self.head = head

    def feed(self, received: bytes) -> bytes:
        """Keep bytes of the answer.

        Raises:
            UpstreamError: they are too many.
        """
        self._content += received
        if len(self._content) > self._rules.most:
            raise _bad("a list is larger than what is held of one")
        return b""

    def end(self) -> bytes:
        """Return the answer, and frame it.

        Raises:
            UpstreamError: it is no JSON.
        """
        content = bytes(self._content)
        try:
            content = self._rules.filtered(content) or content if content else content
        except (ValueError, RecursionError) as error:
            raise _bad("a list is no JSON") from error
        length = b"Content-Length: %d" % len(content)
        self.head = replace(self.head, lines=[*self.head.lines, length], length=len(content))
        return content


class EventLists(Rewriting):
    """An event stream: each event goes on as soon as it is whole, untouched if it is no list."""

    is_whole = False

    def __init__(self, rules: ListFilter, head: ResponseHead) -> None:
        self._rules = rules
        self._waiting = bytearray()
        self.head = head

    def feed(self, received: bytes) -> bytes:
        """Return the events that the bytes end.

        Raises:
            UpstreamError: an event is too large, or cannot be read.
        """
        # The end of an event may have begun with the bytes before.
        start = max(0, len(self._waiting) - _LONGEST_END)
        self._waiting += received
        events: list[bytes] = []
        at = 0
        for end in _EVENT_END.finditer(self._waiting, start):
            events.append(self._event(bytes(self._waiting[at : end.end()])))
            at = end.end()
        del self._waiting[:at]
        if len(self._waiting) > self._rules.most:
            raise _bad("an event is larger than what is held of one")
        return b"".join(events)

    def end(self) -> bytes:
        """Return an event that the end of the stream cut off: some clients take it for whole."""
        rest, self._waiting = bytes(self._waiting), bytearray()
        return self._event(rest) if rest else b""

    def _event(self, raw: bytes) -> bytes:
        body = raw.lstrip(b"\r\n")
        lines = _LINE_END.split(body.removeprefix(_MARK))
        data = [_value_of(line) for line in lines if _is_of_data(line)]
        if not data:
            return raw
        content = b"\n".join(data)
        try:
            cut = self._rules.filtered(content)
        except (ValueError, RecursionError) as error:
            if content.lstrip()[:1] in {b"{", b"["}:
                raise _bad("an event holds a message that cannot be read") from error
            # No message: the address that an older transport begins with.
            return raw
        if cut is None:
            return raw
        others = [line for line in lines if line and not _is_of_data(line)]
        # What stands before may be the end of the event before.
        before = raw[: len(raw) - len(body)]
        return before + b"\n".join((*others, b"data: " + cut, b"", b""))


def _is_of_data(line: bytes) -> bool:
    return line == b"data" or line.startswith(b"data:")


def _value_of(line: bytes) -> bytes:
    return line.removeprefix(b"data").removeprefix(b":").removeprefix(b" ")


def _is_seen(item: object, names: Names) -> bool:
    return isinstance(item, dict) and names.allows(item.get("name"))


def _values(head: ResponseHead, name: bytes) -> list[bytes]:
    pairs = map(split_line, head.lines)
    return [value for written, value in pairs if written.lower() == name]


def _bad(reason: str) -> UpstreamError:
    return UpstreamError(RefusalCode.BAD_GATEWAY, reason)
