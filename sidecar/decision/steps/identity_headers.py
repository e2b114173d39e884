"""Tell the upstream who the caller is, in fields that no client can send (TN-3)."""

import re
from typing import ClassVar, Final, Self

from sidecar.decision.steps.authenticate import is_unproved
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, TenantRecord
from sidecar.model.outcome import PASS, Outcome
from sidecar.model.route import Step
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.tenants import IdentityHeaders as Section

# RFC 9110 §5.5, stricter: no control character, and no blank at an end, which parsers cut off.
_VALUE: Final = re.compile(r"[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?\Z")
# A role that holds a comma would be two to whoever splits the field: `viewer,owner`.
_ROLE: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]+\Z")
# RFC 6749 §3.3: scope-token; blanks separate them.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")


class _MisfitError(ValueError):
    """A value that cannot stand in its field; the message names the fact, not the value."""


class _Written:
    """What was written for a caller last, and what it depends on."""

    __slots__ = ("lines", "step", "tenant", "tier")

    def __init__(
        self,
        step: "IdentityHeaders",
        tenant: TenantRecord | None,
        tier: str | None,
        lines: list[bytes],
    ) -> None:
        self.step = step
        self.tenant = tenant
        self.tier = tier
        self.lines = lines


class IdentityHeaders(Step):
    """Write the identity fields of a caller; all routes share one step and what it remembers."""

    name: ClassVar[str] = "identity_headers"
    reads: ClassVar[frozenset[str]] = frozenset({"principal", "tenant", "roles", "tier"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, section: Section) -> None:
        self._section = section

    @classmethod
    def compile(cls, policy: Policy) -> Self:
        """Make the step that all routes with authentication share."""
        return cls(policy.identity_headers)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the field lines as one piece; whoever reads the list must not change it.

        Controls: TN-3.
        """
        principal = exchange.principal
        if is_unproved(exchange):
            return PASS
        known = principal.identity
        if (
            isinstance(known, _Written)
            and known.tenant is exchange.tenant
            and known.tier == exchange.tier
            and known.step is self
        ):
            exchange.identity_lines = known.lines
            return PASS
        return self._write(exchange)

    def _write(self, exchange: Exchange) -> Outcome:
        try:
            lines = self._lines(exchange)
        except _MisfitError as error:
            exchange.identity_lines = []
            return unauthorized(str(error))
        exchange.identity_lines = [b"\r\n".join(lines)] if lines else []
        exchange.principal.identity = _Written(
            self, exchange.tenant, exchange.tier, exchange.identity_lines
        )
        return PASS

    def _lines(self, exchange: Exchange) -> list[bytes]:
        section, principal, tenant = self._section, exchange.principal, exchange.tenant
        key_id = principal.credential_id if principal.method is Method.API_KEY else None
        facts = (
            (section.tenant, None if tenant is None else tenant.id, _VALUE, "", "tenant"),
            (section.subject, principal.subject, _VALUE, "", "subject"),
            (section.roles, exchange.roles, _ROLE, ",", "role"),
            (section.scopes, sorted(principal.scopes), _SCOPE, " ", "scope"),
            (section.tier, exchange.tier, _VALUE, "", "tier"),
            (section.key_id, key_id, _VALUE, "", "key id"),
        )
        lines = []
        for name, fact, grammar, separator, word in facts:
            values = (fact,) if isinstance(fact, str) else fact
            if name is None or not values:
                continue
            for value in values:
                _check(value, grammar, word)
            lines.append(f"{name}: {separator.join(values)}".encode())
        return lines


def _check(value: str, grammar: re.Pattern[str], word: str) -> None:
    if not grammar.match(value):
        raise _MisfitError(f"a {word} of the caller cannot stand in a header field")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _MisfitError(f"a {word} of the caller is not text") from error
