"""Refuse writes that another site has a browser send with what it keeps for this one (RQ-5).

A browser adds cookies, Basic and Digest passwords and Negotiate tickets to requests whoever caused
them: these are ambient credentials. What tells who caused a request, in this order:

1. Sec-Fetch-Site, which no script can set: same-origin and none (the person did) pass;
2. Origin, compared as a whole with the origin that the request is for, and the policy's list;
3. the origin of Referer, where there is no Origin;
4. nothing is refused, unless the policy says otherwise.
"""

import re
from typing import ClassVar, Final

from sidecar.knowledge.http1.origins import origin_at, read_origin, read_origin_of_url
from sidecar.model.exchange import Exchange
from sidecar.model.headers import list_members
from sidecar.model.message import RequestHead
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.csrf import Csrf as Section

# RFC 9110 §9.2.1; TRACE never comes here.
_SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
_COOKIE: Final = b"cookie"
_AUTHORIZATION: Final = b"authorization"
# RFC 7617, RFC 7616, RFC 4559: browsers remember these and send them unasked.
_AMBIENT_SCHEMES: Final = frozenset((b"basic", b"digest", b"negotiate", b"ntlm"))

_SAME_SITE: Final = b"same-site"
_CROSS_SITE: Final = b"cross-site"
_OWN_WORDS: Final = frozenset((b"same-origin", b"none"))
# RFC 6454 §6.2, of any scheme: those of browser extensions are origins too.
_SERIALISED: Final = re.compile(
    rb"(?:null|[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)\Z",
    re.IGNORECASE,
)


def _refusal(reason: str) -> Refuse:
    return Refuse(RefusalCode.CSRF, reason)


_OF_ANOTHER_SITE: Final = _refusal("Sec-Fetch-Site says cross-site")
_OF_THE_SAME_SITE: Final = _refusal(
    "Sec-Fetch-Site says same-site, which the policy does not allow"
)
_MALFORMED_SITE: Final = _refusal("Sec-Fetch-Site is malformed or stands twice")
_NULL: Final = _refusal("Origin is null")
_ANOTHER: Final = _refusal("Origin is another one")
_MALFORMED_ORIGIN: Final = _refusal("Origin is malformed or stands twice")
_REFERER: Final = _refusal("Referer is of another origin")
_MALFORMED_REFERER: Final = _refusal("Referer is malformed or stands twice")
_MISSING: Final = _refusal("neither Sec-Fetch-Site, Origin nor Referer is there")


class Csrf(Step):
    """Judge writes and WebSockets with ambient credentials, whoever is calling."""

    name: ClassVar[str] = "csrf"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "is_secure", "is_from_proxy"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = True

    def __init__(self, section: Section) -> None:
        self._origins = frozenset(origin.encode() for origin in section.origins)
        self._is_same_site_allowed = section.same_site == "allow"
        self._is_missing_allowed = section.missing == "allow"
        self._judges_all = section.applies_to == "all"
        self._judges_reads = section.every_method

    def decide(self, exchange: Exchange) -> Outcome:
        """Refuse what another origin caused.

        Source: Fetch Metadata Request Headers §2, RFC 6454 §7. Controls: RQ-5.
        """
        head = exchange.head
        if head is None:
            return PASS
        if head.method in _SAFE and not head.is_websocket and not self._judges_reads:
            return PASS
        if not self._judges_all and not _has_ambient(head):
            return PASS
        return PASS if self._is_explicit(exchange, head) else self._judge(exchange, head)

    def _is_explicit(self, exchange: Exchange, head: RequestHead) -> bool:
        """Tell whether the caller proved who they are with what no browser adds of itself."""
        del exchange, head
        return False

    def _judge(self, exchange: Exchange, head: RequestHead) -> Outcome:
        origins = head.values(b"origin")
        if len(origins) > 1 or (origins and not _SERIALISED.match(origins[0])):
            return _MALFORMED_ORIGIN
        sites = head.values(b"sec-fetch-site")
        if sites:
            return self._judge_site(sites, origins)
        if not origins:
            return self._judge_referer(exchange, head)
        if origins[0] == b"null":
            return _NULL
        return PASS if self._is_own(read_origin(origins[0]), exchange, head) else _ANOTHER

    def _judge_referer(self, exchange: Exchange, head: RequestHead) -> Outcome:
        referers = head.values(b"referer")
        if not referers:
            return PASS if self._is_missing_allowed else _MISSING
        origin = read_origin_of_url(referers[0]) if len(referers) == 1 else None
        if origin is None:
            return _MALFORMED_REFERER
        return PASS if self._is_own(origin, exchange, head) else _REFERER

    def _judge_site(self, sites: list[bytes], origins: list[bytes]) -> Outcome:
        site = sites[0] if len(sites) == 1 else b""
        if site in _OWN_WORDS:
            return PASS
        if site not in {_SAME_SITE, _CROSS_SITE}:
            return _MALFORMED_SITE
        if origins and read_origin(origins[0]) in self._origins:
            return PASS
        if site == _CROSS_SITE:
            return _OF_ANOTHER_SITE
        return PASS if self._is_same_site_allowed else _OF_THE_SAME_SITE

    def _is_own(self, origin: bytes | None, exchange: Exchange, head: RequestHead) -> bool:
        if origin is None:
            return False
        return origin in self._origins or origin == _asked_for(exchange, head)


def _has_ambient(head: RequestHead) -> bool:
    return any(
        field.name == _COOKIE or (field.name == _AUTHORIZATION and _is_ambient(field.value))
        for field in head.named
    )


def _is_ambient(authorization: bytes) -> bool:
    scheme = authorization.replace(b"\t", b" ").partition(b" ")[0]
    return scheme.lower() in _AMBIENT_SCHEMES


def _asked_for(exchange: Exchange, head: RequestHead) -> bytes | None:
    """Say which origin the client sees, as a trusted proxy or Host has it."""
    authority = head.host
    if exchange.is_from_proxy:
        # The nearest proxy's word is the last one.
        said = list_members(head.values(b"x-forwarded-host"))
        authority = said[-1] if said else authority
    return None if authority is None else origin_at(authority, is_secure=exchange.is_secure)
