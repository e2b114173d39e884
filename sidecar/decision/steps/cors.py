"""Tell browsers which pages may read an answer, whoever gives it (Fetch §3.2.3); refuse the others.

The service's own CORS fields are taken away: the policy alone says who may read. Answers that
depend on Origin say so in Vary, also to requests without one: a cache gives them to others.
"""

from typing import ClassVar, Final

from sidecar.decision.allowance import Allowance
from sidecar.knowledge.origins import needs_leave
from sidecar.model.exchange import Exchange
from sidecar.model.headers import list_members
from sidecar.model.memo import LineMemo
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import ResponseStep, Step
from sidecar.policy.schema.cors import Cors as Section

_KEPT: Final = 0
_TAKEN: Final = 1
_VARY: Final = 2

_UNAUTHORIZED: Final = 401
_ORIGIN: Final = (b"Origin",)
_PREFLIGHT: Final = (
    b"Origin", b"Access-Control-Request-Method", b"Access-Control-Request-Headers",
)  # fmt: skip
_PRIVATE: Final = b"Access-Control-Request-Private-Network"

_NOT_ALLOWED: Final = Refuse(RefusalCode.ORIGIN_NOT_ALLOWED, "origin not allowed")


class EnforceOrigin(Step):
    """Refuse what a page of another origin could not make without leave, on public routes."""

    name: ClassVar[str] = "origin"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "named_tenant"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance

    def decide(self, exchange: Exchange) -> Outcome:
        """Judge the origin, where the request has one and needs leave.

        Controls: RS-4.
        """
        head = exchange.head
        if head is None:
            return PASS
        origins = head.values(b"origin")
        if not origins or not needs_leave(head):
            return PASS
        if len(origins) == 1 and self._granted(exchange, origins[0]):
            return PASS
        return _NOT_ALLOWED

    def _granted(self, exchange: Exchange, origin: bytes) -> bytes:
        return self._allowance.before(exchange, origin)


class EnforceCallersOrigin(EnforceOrigin):
    """The same where it is known who calls: the tenant's origins count too."""

    reads: ClassVar[frozenset[str]] = frozenset({"head", "named_tenant", "tenant", "principal"})

    def _granted(self, exchange: Exchange, origin: bytes) -> bytes:
        return self._allowance.after(exchange, origin)


class Cors(ResponseStep):
    """Write the CORS fields of an answer.

    Args:
        section: what holds on the route.
        allowance: which origins are allowed.
        knows_callers: whether the route finds out who calls.
        is_shadow: whether the service's own fields stay where the policy allows nothing.
    """

    name: ClassVar[str] = "cors"
    may_read: ClassVar[frozenset[str]] = frozenset(
        {"head", "named_tenant", "preflight", "principal", "refusal", "status", "tenant"}
    )

    def __init__(
        self, section: Section, allowance: Allowance, *, knows_callers: bool, is_shadow: bool
    ) -> None:
        self._allowance = allowance
        self._knows_callers = knows_callers
        self._is_shadow = is_shadow
        exposed = ", ".join(section.expose_headers)
        self._exposed = f"Access-Control-Expose-Headers: {exposed}".encode() if exposed else b""
        self._vary = () if allowance.is_public else _ORIGIN
        self._preflight = (*_PREFLIGHT, _PRIVATE) if section.private_network else _PREFLIGHT
        self._treatment = LineMemo(_treatment_of)
        self._merged: LineMemo[bytes] = LineMemo(lambda line: _merged([line], self._vary))

    def apply(self, exchange: Exchange) -> None:
        """Rewrite the field lines of one response.

        Source: Fetch §3.2.3; RFC 9110 §12.5.5. Controls: RS-4, AN-6, AN-8.
        """
        head = exchange.head
        if head is not None and head.method == b"OPTIONS":
            answer = _answer_to_preflight(exchange)
            if answer is not None:
                self._write(exchange, answer, self._preflight)
                return
        lines = self._allowed(exchange, head)
        if not lines:
            self._write(exchange, (), self._vary)
        elif self._exposed:
            self._write(exchange, (lines, self._exposed), self._vary)
        else:
            self._write(exchange, (lines,), self._vary)

    def _allowed(self, exchange: Exchange, head: RequestHead | None) -> bytes:
        allowance = self._allowance
        if allowance.is_public:
            return allowance.everybody
        origins = [] if head is None else head.values(b"origin")
        if len(origins) != 1:
            return b""
        try:
            if self._knows_callers and not _is_own_unauthorized(exchange):
                return allowance.after(exchange, origins[0])
            return allowance.before(exchange, origins[0])
        except AttributeError:
            # Refused before it was known whose origins count.
            return _before_all(allowance, exchange, origins[0])

    def _write(self, exchange: Exchange, lines: tuple[bytes, ...], vary: tuple[bytes, ...]) -> None:
        known = self._treatment.known
        stays = self._is_shadow and not lines
        kept = []
        varies = []
        for line in exchange.response_lines:
            treatment = known.get(line)
            if treatment is None:
                treatment = self._treatment(line)
            if treatment == _KEPT or (treatment == _TAKEN and stays):
                kept.append(line)
            elif treatment == _VARY:
                varies.append(line)
        kept += lines
        if len(varies) == 1 and vary is self._vary:
            kept.append(self._merged(varies[0]))
        elif varies or vary:
            kept.append(_merged(varies, vary))
        exchange.response_lines = kept


def _treatment_of(line: bytes) -> int:
    name = line.partition(b":")[0].lower()
    if name == b"vary":
        return _VARY
    return _TAKEN if name.startswith(b"access-control-") else _KEPT


def _merged(lines: list[bytes], names: tuple[bytes, ...]) -> bytes:
    """Write one Vary with all members of some and further names (RFC 9110 §12.5.5)."""
    members = list_members(line.partition(b":")[2] for line in lines)
    if b"*" in members:
        return b"Vary: *"
    present = {member.lower() for member in members}
    members += [name for name in names if name.lower() not in present]
    return b"Vary: " + b", ".join(members)


def _answer_to_preflight(exchange: Exchange) -> tuple[bytes, ...] | None:
    try:
        return exchange.preflight
    except AttributeError:
        # 404 and 405 come before the step that answers preflights.
        return None


def _is_own_unauthorized(exchange: Exchange) -> bool:
    """Tell whether it is the 401 whose bytes must not depend on whose the credential is (AN-6)."""
    if exchange.status != _UNAUTHORIZED:
        return False
    try:
        return exchange.refusal is RefusalCode.UNAUTHORIZED
    except AttributeError:
        # The service's own: it knows who asked, and so may its page.
        return False


def _before_all(allowance: Allowance, exchange: Exchange, origin: bytes) -> bytes:
    try:
        return allowance.before(exchange, origin)
    except AttributeError:
        return allowance.listed(origin)
