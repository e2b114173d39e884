"""Answer CORS preflights, which never reach the service (Fetch §4.8), and find whose origins count.

A preflight carries no credential: it is judged by the policy's list, the route's, and that of the
tenant that host or path name. What is refused gets no CORS field at all.
"""

from typing import ClassVar, Final

from sidecar.decision.allowance import Allowance
from sidecar.decision.bindings import Bindings
from sidecar.knowledge.origins import asked_fields, asked_method, is_plausible
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord, is_tenant_id
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse, Respond
from sidecar.model.ports import UNKNOWN, KnownTenants
from sidecar.model.questions import FindTenant, Question
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import AskingStep, Step
from sidecar.policy.schema.cors import Cors
from sidecar.policy.schema.origins import EVERYONE

_NO_CONTENT: Final = 204
_ASKS_PRIVATE: Final = b"access-control-request-private-network"
_PRIVATE: Final = b"Access-Control-Allow-Private-Network: true"
# What scripts send to APIs, beside what Fetch §2.2.2 lets any page send.
_USUAL_FIELDS: Final = (
    "Accept", "Accept-Language", "Authorization", "Content-Language", "Content-Type",
    "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since",
    "Last-Event-ID", "Range", "X-Request-Id", "X-Requested-With",
)  # fmt: skip

_ANSWERED: Final = Respond(_NO_CONTENT, "preflight")


def _refused(reason: str) -> Refuse:
    return Refuse(RefusalCode.ORIGIN_NOT_ALLOWED, f"preflight: {reason}")


_WHICH_METHOD: Final = _refused("no single method that could be admitted")
_WHICH_ORIGIN: Final = _refused("several origins")
_ORIGIN: Final = _refused("origin not allowed")
_METHOD: Final = _refused("method not allowed")
_FIELDS: Final = _refused("header fields not allowed")


class Terms:
    """What pages may ask of a route, whoever they are.

    Args:
        section: what holds on the route.
        methods: methods that it serves, GET and HEAD apart; none given: all.
        key_field: field that carries API keys; empty for none.
    """

    __slots__ = ("_allows", "_fields", "_grants", "_is_any_field", "_is_private", "_methods")

    def __init__(self, section: Cors, methods: tuple[str, ...], key_field: str) -> None:
        served = [name for name in methods if section.methods is None or name in section.methods]
        listed = served if methods else section.methods or ()
        # A route that serves none of the methods of `cors` admits no preflight.
        self._methods = None if not methods and section.methods is None else _encoded(listed)
        fields = section.request_headers
        if fields is None:
            fields = tuple(dict.fromkeys((*_USUAL_FIELDS, *([key_field] if key_field else []))))
        self._is_any_field = EVERYONE in fields
        named = [name for name in fields if name != EVERYONE]
        self._fields = frozenset(name.lower().encode() for name in named)
        self._allows = ", ".join(sorted(named)).encode()
        self._grants = b"\r\nAccess-Control-Max-Age: %d" % int(section.max_age)
        self._is_private = section.private_network

    def judge(self, head: RequestHead, method: bytes) -> tuple[bytes, ...] | Refuse:
        """Return the lines that grant what a preflight asks for, but for the origin's; or refuse.

        Args:
            head: the preflight.
            method: the method that it asks for; empty for none that could be admitted.
        """
        if not method:
            return _WHICH_METHOD
        if self._methods is not None and method not in self._methods:
            return _METHOD
        fields = asked_fields(head)
        if fields is None or not all(map(self._takes, fields)):
            return _FIELDS
        methods = (method,) if self._methods is None else self._methods
        allows = b", ".join(fields) if self._is_any_field else self._allows
        granted = b"Access-Control-Allow-Methods: " + b", ".join(methods)
        if allows:
            granted += b"\r\nAccess-Control-Allow-Headers: " + allows
        granted += self._grants
        if self._is_private and head.values(_ASKS_PRIVATE) == [b"true"]:
            return granted, _PRIVATE
        return (granted,)

    def _takes(self, field: bytes) -> bool:
        # Fetch §4.8: `*` stands for every field but Authorization.
        return field in self._fields or (self._is_any_field and field != b"authorization")


def _encoded(methods: tuple[str, ...] | list[str]) -> tuple[bytes, ...]:
    return tuple(name.encode() for name in methods)


class Preflight(Step):
    """Answer preflights for a route whose host and path name no tenant."""

    name: ClassVar[str] = "preflight"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset({"preflight", "named_tenant"})
    can_shadow: ClassVar[bool] = True

    def __init__(self, allowance: Allowance, terms: Terms) -> None:
        self._allowance = allowance
        self._terms = terms

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Answer a preflight; pass all else on.

        Source: Fetch §4.8, §4.9. Controls: RS-4.
        """
        exchange.preflight = exchange.named_tenant = None
        head = exchange.head
        if head is None or head.method != b"OPTIONS":
            return PASS
        return self._answer(exchange, head)

    def _answer(self, exchange: Exchange, head: RequestHead) -> Outcome:
        method = asked_method(head)
        if method is None:
            return PASS
        exchange.preflight = ()
        lines = self._granted(exchange, head)
        if isinstance(lines, Refuse):
            return lines
        terms = self._terms.judge(head, method)
        if isinstance(terms, Refuse):
            return terms
        exchange.preflight = (lines, *terms)
        return _ANSWERED

    def _granted(self, exchange: Exchange, head: RequestHead) -> bytes | Refuse:
        origins = head.values(b"origin")
        if len(origins) != 1:
            return _WHICH_ORIGIN
        if self._allowance.is_public:
            return self._allowance.everybody
        return self._allowance.before(exchange, origins[0]) or _ORIGIN


class TenantPreflight(Preflight, AskingStep):
    """Answer preflights for a route whose host or path name a tenant: its origins count too.

    The tenant is looked up for requests from an origin that no other list has, preflights or not:
    its page must be able to read a 401 as well.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})

    def __init__(
        self, allowance: Allowance, terms: Terms, bindings: Bindings, known: KnownTenants
    ) -> None:
        """Keep what is the same for every request.

        Args:
            allowance: which origins are allowed.
            terms: what they may ask for.
            bindings: where host and path name a tenant.
            known: tenants that are at hand.
        """
        super().__init__(allowance, terms)
        self._bindings = bindings
        self._known = known

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Answer a preflight; pass all else on, the tenant noted.

        Source: Fetch §4.8, §4.9. Controls: RS-4, AN-6.
        """
        exchange.preflight = exchange.named_tenant = None
        head = exchange.head
        if head is None:
            return PASS
        origins = head.values(b"origin")
        if len(origins) != 1 or not is_plausible(origins[0]) or self._allowance.listed(origins[0]):
            return self._answer(exchange, head)
        name = self._name(exchange)
        if name is None:
            return self._answer(exchange, head)
        record = self._known.at_hand(name)
        if record is UNKNOWN:
            return Ask(FindTenant(name))
        exchange.named_tenant = record
        return self._answer(exchange, head)

    def resume(self, exchange: Exchange, question: Question, answer: object) -> Outcome | Ask:
        """Go on with the tenant's record."""
        del question
        exchange.named_tenant = answer if isinstance(answer, TenantRecord) else None
        return PASS if exchange.head is None else self._answer(exchange, exchange.head)

    def _name(self, exchange: Exchange) -> TenantId | None:
        names = set(self._bindings.names(exchange))
        name = names.pop() if len(names) == 1 else ""
        return TenantId(name) if is_tenant_id(name) else None
