"""Host and path templates of routes: their grammar and which of two is more specific."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# What a path segment may hold once decoded; templates are written decoded.
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f\\;?#%*{}]")
_HOST: Final = re.compile(
    r"(?:\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z"
)
_IPV6_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]\Z")


class Kind(IntEnum):
    """Kind of a path segment; the smaller is the more specific."""

    LITERAL = 0
    ONE = 1
    REST = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a path template.

    Attributes:
        kind: literal, exactly one segment (`{name}` or `*`), or the rest (`**`).
        text: the literal text, the binding's name, or empty for `*` and `**`.
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A host and a path template of a route.

    Attributes:
        host: None for any host, else a lower-case name, `*.name` or a bracketed IPv6 address.
        segments: the path's segments; empty for `/`.
        text: the path as the policy has it.
    """

    host: str | None
    segments: tuple[Segment, ...]
    text: str

    def __str__(self) -> str:
        """Read as the policy writes it, the host first."""
        return f"{self.host}{self.text}" if self.host else self.text

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a match binds, in order."""
        return tuple(s.text for s in self.segments if s.kind is Kind.ONE and s.text)

    @property
    def shape(self) -> tuple[str | None, tuple[tuple[Kind, str], ...]]:
        """What two templates share exactly when they match the same requests."""
        return self.host, tuple(
            (s.kind, s.text if s.kind is Kind.LITERAL else "") for s in self.segments
        )

    @property
    def order(self) -> tuple[object, ...]:
        """Sort key: the most specific template comes first, host before path.

        An exact host precedes `*.host`, a longer `*.host` a shorter one, and either no host; then
        segment by segment a literal precedes `{name}` and `*`, and these precede `**`.
        """
        if self.host is None:
            host = (2, 0, "")
        elif self.host.startswith("*."):
            host = (1, -self.host.count("."), self.host)
        else:
            host = (0, 0, self.host)
        path = tuple((s.kind, s.text if s.kind is Kind.LITERAL else "") for s in self.segments)
        # A template that ends ranks before one that goes on with `**`, hence the sentinel.
        return host, (*path, (Kind.ONE, "~"))


def parse_host(text: str) -> str:
    """Check a host template and bring it to lower case.

    Raises:
        ValueError: with what is wrong, for the policy's author.
    """
    host = text.lower()
    if not (_HOST.match(host) or _IPV6_HOST.match(host)):
        raise ValueError(f"{text!r} is not a host name, '*.' and a host name, or [IPv6]")
    return host


def parse_path(text: str) -> tuple[Segment, ...]:
    """Parse a path template: literals, `{name}`, `*` for one segment, `**` last for the rest.

    Raises:
        ValueError: with what is wrong, for the policy's author.
    """
    if not text.startswith("/"):
        raise ValueError("a path begins with /")
    if text == "/":
        return ()
    parts = text[1:].removesuffix("/").split("/")
    segments = [_parse_segment(part, is_last=i == len(parts) - 1) for i, part in enumerate(parts)]
    names = [s.text for s in segments if s.kind is Kind.ONE and s.text]
    if len(names) != len(set(names)):
        raise ValueError("a name is bound twice")
    return tuple(segments)


def literal(segments: Sequence[str]) -> str | None:
    """Write the template that matches one path alone; None where none does.

    Args:
        segments: the path's segments, decoded.
    """
    text = "/" + "/".join(segments)
    try:
        parsed = parse_path(text)
    except ValueError:
        return None
    is_literal = all(one.kind is Kind.LITERAL for one in parsed)
    return text if is_literal and [one.text for one in parsed] == [*segments] else None


def _parse_segment(part: str, *, is_last: bool) -> Segment:
    if part == "**":
        if not is_last:
            raise ValueError("'**' may only be the last segment")
        return Segment(Kind.REST, "")
    if part == "*":
        return Segment(Kind.ONE, "")
    if part.startswith("{") and part.endswith("}"):
        if not _NAME.match(part[1:-1]):
            raise ValueError(f"{part!r} is not {{name}} with letters, digits and _")
        return Segment(Kind.ONE, part[1:-1])
    if part in {"", ".", ".."}:
        raise ValueError("a path has no empty segment and no '.' or '..'")
    if found := _FORBIDDEN.search(part):
        raise ValueError(f"{found[0]!r} cannot stand in a path segment; write paths decoded")
    return Segment(Kind.LITERAL, part)
