"""The hash chain of the audit trail: how one line leads to the next (AU-6).

Each line is a JSON object whose last members are

    …,"writer":"web-1/0/3f9c2a7b1d04","seq":42,"hash":"<64 hexadecimal digits>"}

`writer` names one chain: the host, the role of the process on it, and a random part that is made
when the chain begins. `seq` counts the lines of the chain from 1. `hash` is the SHA-256 of the hash
of the line before, as its 64 digits, followed by this line's own bytes up to and without
`,"hash":`; before the first line stand 64 zeros. A line feed ends the line and is not part of it.

A line can so be checked with nothing but itself and the hash of the one before; no parser of JSON
is needed, and none can disagree with another.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

NO_HASH: Final = b"0" * 64
LAST_SEQ: Final = 10**18 - 1
"""The largest number that a line can have."""
HOST_CHARACTERS: Final = 48
_HASH_BYTES: Final = 64
# What follows the hashed part: `,"hash":"`, the digits and `"}`.
_TAIL_BYTES: Final = 9 + _HASH_BYTES + 2
_LINK_BYTES: Final = 256
_LINK: Final = re.compile(
    rb',"writer":"([A-Za-z0-9._-]{1,48}/[a-z0-9]{1,16}/[0-9a-f]{12})"'
    rb',"seq":([1-9][0-9]{0,17}),"hash":"([0-9a-f]{64})"\}\Z'
)
_CLOSED: Final = re.compile(rb',"hash":"[0-9a-f]{64}"\}')
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: what its next line stands on.

    Attributes:
        writer: name of the chain.
        seq: number of its last line; 0 before the first.
        hash: hash of its last line, as 64 hexadecimal digits.
    """

    writer: bytes
    seq: int = 0
    hash: bytes = NO_HASH


@dataclass(frozen=True, slots=True)
class Link:
    """What the end of a line says, and the part of the line that its hash covers."""

    writer: bytes
    seq: int
    hash: bytes
    body: bytes

    @property
    def head(self) -> Head:
        """The end of the chain once this line stands in it."""
        return Head(self.writer, self.seq, self.hash)

    def follows(self, before: bytes) -> bool:
        """Whether its hash is right after a line whose hash is `before`."""
        return hash_of(before, self.body) == self.hash


def chain_name(host: str, role: str, beginning: bytes) -> bytes:
    """Name a chain that begins.

    Args:
        host: name of the machine or container; what does not fit is replaced, the rest is cut.
        role: what the process is on it: `0` for the first worker, `supervisor`, `command`.
        beginning: 6 random bytes.
    """
    return f"{role_name(host, role)}/{beginning.hex()}".encode()


def role_name(host: str, role: str) -> str:
    """Name a process that comes back under the same name after a restart."""
    return f"{_UNFIT.sub('_', host)[:HOST_CHARACTERS] or '_'}/{role}"


def hash_of(before: bytes, body: bytes) -> bytes:
    """Hash a line, given the hash of the line before and the line without its own hash."""
    return sha256(before + body).hexdigest().encode()


def head_after(lines: bytes, head: Head) -> Head:
    """Return the end of a chain after lines that were chained to a head, line feeds included."""
    if not lines:
        return head
    return Head(head.writer, head.seq + lines.count(b"\n"), lines[-_HASH_BYTES - 3 : -3])


def link_of(line: bytes) -> Link | None:
    """Read the end of a line.

    Args:
        line: the line without its line feed.

    Returns:
        What it says; None for a line that does not end as one of a chain.
    """
    found = _LINK.search(line, max(0, len(line) - _LINK_BYTES))
    if found is None:
        return None
    return Link(found[1], int(found[2]), found[3], line[:-_TAIL_BYTES])


def is_fragment(line: bytes) -> bool:
    """Whether bytes may be the first part of a line that was cut off."""
    return _CLOSED.search(line) is None


def last_head(content: bytes, head: Head) -> Head:
    """Find the end of a chain in bytes that were appended after it.

    Args:
        content: what was written since; its last line may be cut off, or lack its line feed alone.
        head: the end of the chain before.

    Returns:
        The end that the last whole line of this chain gives; `head` without one.
    """
    for line in reversed(content.split(b"\n")):
        found = link_of(line)
        if found is not None and found.writer == head.writer:
            return found.head
    return head
