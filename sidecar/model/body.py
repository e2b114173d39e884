"""A request body that rules read, and what they find in it."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.model.outcome import Refuse

NO_FILE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """A body that was received whole.

    Attributes:
        size: its bytes, as received.
        content: the bytes; None when they lie in a file.
        descriptor: of that file; NO_FILE without one. Whoever collected the body closes it.
        at: Unix seconds when it was whole.
    """

    size: int
    content: bytes | None
    descriptor: int = NO_FILE
    at: float = 0.0


class Form(StrEnum):
    """The forms of content that rules can read."""

    JSON = "json"
    URLENCODED = "urlencoded"
    MULTIPART = "multipart"


class Coding(StrEnum):
    """The content codings that can be undone (RFC 9110 §8.4.1)."""

    IDENTITY = "identity"
    GZIP = "gzip"
    DEFLATE = "deflate"


@dataclass(frozen=True, slots=True)
class About:
    """What whoever judges a body must know of its request.

    Attributes:
        form: what the content is, as its type says.
        coding: how it is compressed.
        boundary: what parts the content of a multipart form; empty for others.
        tenant: id of the tenant that the request is for; empty for none.
        project: project of the caller's credential; empty for one that is not bound to any.
        projects: projects of the tenant.
    """

    form: Form
    coding: Coding = Coding.IDENTITY
    boundary: bytes = b""
    tenant: str = ""
    project: str = ""
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """One place of a body that breaks a rule; neither part holds a value of the body.

    Attributes:
        pointer: the place, as a JSON Pointer (RFC 6901).
        detail: the rule, in words for the client.
    """

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a body is refused.

    Attributes:
        code: what the client is shown.
        reason: why, in words, for the audit record alone.
        faults: the places, where the client may be told.
        is_mismatch: whether it names a tenant or project that is not the caller's (TN-2).
    """

    code: RefusalCode
    reason: str
    faults: tuple[Fault, ...] = ()
    is_mismatch: bool = False


class Watch(Protocol):
    """Looks at a body while it comes, so that the rest of a bad one need not."""

    def objection(self, received: bytes) -> "Refuse | None":
        """Take the next bytes, and refuse the body if they are enough to."""


Rules = Hashable
"""What a route demands of its bodies, as `knowledge.validate.reading` has it; can be pickled."""
