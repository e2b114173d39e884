"""The exception types of the project: each names the side that is at fault.

    Exception
    ├── PolicyError          the policy file: every problem of it, each with its place and its mend
    ├── ProtocolError        a client sent what HTTP/1.1 forbids or our limits exclude
    ├── UpstreamError        the upstream failed, or answered what HTTP/1.1 forbids
    ├── StoreUnavailableError  a store or an identity provider could not answer in time
    │   ├── KeySetMissingError   an issuer that is new to the policy gave no keys
    │   └── UnreadableRecordError  the store answered, with a record that nobody here can read
    └── InstallationError    a library is there, but not the part of it that we need

A refusal is a value (`sidecar.model.outcome.Refuse`), never an exception.
"""

from dataclasses import dataclass

from sidecar.model.refusals import RefusalCode


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a policy: where it stands, what is wrong, how to mend it.

    Attributes:
        file: name of the file as the user gave it.
        line: 1-based line, 0 when the problem belongs to no line (a missing file).
        column: 1-based column, 0 likewise.
        path: path of the key, such as `routes[2].body.max`; empty for the document itself.
        message: what is wrong, one sentence without a full stop.
        hint: what to write instead, one sentence without a full stop.
        warning: true when the policy still loads.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str
    warning: bool = False

    def __str__(self) -> str:
        """Read as one line that editors and terminals can jump to."""
        kind = "warning" if self.warning else "error"
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f" {self.path}:" if self.path else ""
        return f"{place}: {kind}:{where} {self.message} (hint: {self.hint})"


class PolicyError(Exception):
    """A policy that cannot be used, with every problem found in one run."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ProtocolError(Exception):
    """A client broke RFC 9112 or one of our limits; the connection cannot go on.

    Attributes:
        code: the refusal that the client is shown.
        reason: what was wrong, for the audit record only.
    """

    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class UpstreamError(Exception):
    """The upstream could not be reached, fell silent, or broke RFC 9112.

    Attributes:
        code: BAD_GATEWAY, UPSTREAM_UNAVAILABLE or UPSTREAM_TIMEOUT.
        reason: what went wrong, for the audit record only.
    """

    def __init__(self, code: RefusalCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StoreUnavailableError(Exception):
    """A store, a key set or an identity provider could not answer in time; never an admission.

    Attributes:
        reason: what failed, for audit and logs; it holds no secret and no address of a store.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeySetMissingError(StoreUnavailableError):
    """An issuer that is new to the policy, or has its keys elsewhere now, gave none."""


class UnreadableRecordError(StoreUnavailableError):
    """A store answered with a record that this version cannot read; the others may be well."""


class InstallationError(Exception):
    """A library lacks a part that the sidecar needs; the message says how to mend it."""
