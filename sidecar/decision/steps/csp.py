"""Write Content-Security-Policy, with a nonce for each answer where the policy wants one (RS-2).

A field without a nonce is always the same, and goes with the fields of `security_headers`. One with
a nonce is written here: the nonce is made when the request goes on, told to the service in a field
that no client can send, and stands in the answer's field.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.csp import NONCE, REPORTING, Csp
from sidecar.policy.schema.headers import Headers

ENFORCED: Final = "Content-Security-Policy"
REPORTED: Final = "Content-Security-Policy-Report-Only"
REPORTS: Final = "/.sidecar/reports"
"""Path at which browsers report what they blocked, on every host."""
ENDPOINT: Final = "sidecar"
"""Name of that path in Reporting-Endpoints."""

_MODES: Final = {"add": "append", "replace": "set", "keep": "default"}
_MARK: Final = "'nonce-\0'"
_NOT_MODIFIED: Final = 304


class CspNonce(Step):
    """Make the nonce of an answer, and tell the service."""

    name: ClassVar[str] = "csp_nonce"
    # The lines too: the step stands behind those that write them, and adds one of its own.
    reads: ClassVar[frozenset[str]] = frozenset({"identity_lines"})
    writes: ClassVar[frozenset[str]] = frozenset({"nonce"})
    can_shadow: ClassVar[bool] = False

    def __init__(self, header: str, nonces: Callable[[], bytes]) -> None:
        self._start = header.encode() + b": "
        self._nonces = nonces

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the nonce.

        Source: CSP level 3 §7.1. Controls: RS-2.
        """
        nonce = exchange.nonce = self._nonces()
        # A list of its own: the lines of a caller are remembered, and are another request's too.
        exchange.identity_lines = [*exchange.identity_lines, self._start + nonce]
        return PASS


class NonceField:
    """A field with a nonce in it.

    Attributes:
        start: its name in lower case, and the colon.
        parts: the line, cut where the nonce stands.
        without: the line for answers that have no nonce.
    """

    __slots__ = ("parts", "start", "without")

    def __init__(self, name: str, directives: Mapping[str, tuple[str, ...]], tail: str) -> None:
        line = f"{name}: {_text(directives)}{tail}"
        self.start = f"{name.lower()}:".encode()
        self.parts = line.encode().split(b"\0")
        self.without = f"{name}: {_text(_without_nonce(directives))}{tail}".encode()


class CspFields(ResponseStep):
    """Add the fields that have a nonce in them."""

    name: ClassVar[str] = "csp"
    may_read: ClassVar[frozenset[str]] = frozenset({"nonce", "status"})

    def __init__(self, fields: tuple[NonceField, ...], *, yields: bool) -> None:
        self._fields = fields
        self._yields = yields

    def apply(self, exchange: Exchange) -> None:
        """Add them, unless they yield to the service's own.

        Controls: RS-2.
        """
        if getattr(exchange, "status", 0) == _NOT_MODIFIED:
            # It would put a new nonce on a page that the client has, with its old one (RFC 9111
            # §3.2): none of its scripts would run.
            return
        try:
            nonce = exchange.nonce
        except AttributeError:
            # Refused before the service was asked: nothing of the answer is a script.
            nonce = b""
        for field in self._fields:
            if self._yields and _has(exchange.response_lines, field.start):
                continue
            line = nonce.join(field.parts) if nonce else field.without
            exchange.response_lines.append(line)


class ContentPolicy:
    """What a section says, as fields for `security_headers` and for the steps here.

    Attributes:
        headers: the header fields of the route with those that are always the same.
        ours: names of fields that the preset must leave to `step`, in lower case.
        step: writes those with a nonce; None where there are none.
    """

    __slots__ = ("headers", "ours", "step")

    def __init__(self, headers: Headers, section: Csp | None, *, reports: bool) -> None:
        self.headers = headers
        self.ours: frozenset[str] = frozenset()
        self.step: CspFields | None = None
        if section is not None:
            self._read(section, reports=reports)

    def _read(self, section: Csp, *, reports: bool) -> None:
        self.headers = _without_default(
            self.headers, {name.lower() for name, _ in _fields_of(section)}
        )
        changing = []
        constant = {}
        has_endpoint = False
        for name, directives in _fields_of(section):
            tail = _tail(directives) if reports else ""
            has_endpoint = has_endpoint or bool(tail)
            if any(NONCE in words for words in directives.values()):
                changing.append(NonceField(name, directives, tail))
            else:
                constant[name] = f"{_text(directives)}{tail}"
        self.headers = _with(self.headers, _MODES[section.upstream], constant)
        if has_endpoint:
            endpoints = {"Reporting-Endpoints": f'{ENDPOINT}="{REPORTS}"'}
            self.headers = _with(self.headers, "append", endpoints)
        if changing:
            names = [field.start[:-1].decode() for field in changing]
            self.ours = frozenset(names)
            if section.upstream == "replace":
                removed = (*self.headers.remove, *names)
                self.headers = self.headers.model_copy(update={"remove": removed})
            self.step = CspFields(tuple(changing), yields=section.upstream == "keep")


def _fields_of(section: Csp) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    if section.enforce is not None:
        yield ENFORCED, section.enforce
    if section.report_only is not None:
        yield REPORTED, section.report_only


def _with(headers: Headers, mode: str, fields: Mapping[str, str]) -> Headers:
    if not fields:
        return headers
    return headers.model_copy(update={mode: {**getattr(headers, mode), **fields}})


def _without_default(headers: Headers, names: set[str]) -> Headers:
    """Leave out what a default says of fields that the section writes."""
    kept = {name: value for name, value in headers.default.items() if name.lower() not in names}
    return headers.model_copy(update={"default": kept})


def _tail(directives: Mapping[str, tuple[str, ...]]) -> str:
    """Tell browsers where to report; `report-uri` is for those that do not know the other."""
    if not REPORTING.isdisjoint(directives):
        return ""
    return f"; report-uri {REPORTS}; report-to {ENDPOINT}"


def _text(directives: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(
        " ".join((name, *(_MARK if word == NONCE else word for word in words)))
        for name, words in directives.items()
    )


def _without_nonce(directives: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    kept = {name: tuple(w for w in words if w != NONCE) for name, words in directives.items()}
    return {
        name: words or (("'none'",) if NONCE in directives[name] else ())
        for name, words in kept.items()
    }


def _has(lines: list[bytes], start: bytes) -> bool:
    size = len(start)
    return any(line[:size].lower() == start for line in lines)
