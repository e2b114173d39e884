"""Make the cookies of the service at least what the policy asks for (RQ-5).

A line is read as browsers read it (RFC 6265bis §5.6): split at every semicolon, quotes or not. What
is there and good stays byte for byte; what is missing is appended; nothing is weakened. A value is
never touched, and each line stays a line of its own.
"""

from typing import ClassVar, Final, Self

from sidecar.model.exchange import Exchange
from sidecar.model.route import ResponseStep
from sidecar.policy.schema.cookies import CookieException
from sidecar.policy.schema.cookies import Cookies as Section

_SET_COOKIE: Final = b"set-cookie:"
_BLANKS: Final = b" \t"
_SECURE: Final = b"secure"
_HTTP_ONLY: Final = b"httponly"
_DOMAIN: Final = b"domain"
_SAME_SITE: Final = b"samesite"
# RFC 6265bis §4.1.3; browsers compare the prefixes without case. Those with `Http` came in 2025.
_HOST_PREFIX: Final = b"__host-"
_SECURE_PREFIXES: Final = (_HOST_PREFIX, b"__secure-", b"__http-")
_HTTP_PREFIXES: Final = (b"__http-", b"__host-http-")
_RANKS: Final = {b"none": 0, b"lax": 1, b"strict": 2}
_WRITTEN: Final = (b"None", b"Lax", b"Strict")


class _Rule:
    """What one cookie is at least."""

    __slots__ = ("drops_domain", "http_only", "rank", "secure")

    def __init__(self, section: Section, special: CookieException) -> None:
        secure, http_only, domain = special.secure, special.http_only, special.domain
        self.secure = section.secure if secure is None else secure
        self.http_only = section.http_only if http_only is None else http_only
        self.rank = _RANKS[(special.same_site or section.same_site).encode()]
        self.drops_domain = (section.domain if domain is None else domain) == "drop"

    @property
    def asks_nothing(self) -> bool:
        return not (self.secure or self.http_only or self.rank or self.drops_domain)


class Cookies(ResponseStep):
    """Complete the attributes of cookies, those of 101 and of refusals too."""

    name: ClassVar[str] = "cookies"
    may_read: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, section: Section) -> None:
        self._rule = _Rule(section, CookieException())
        self._special = {
            name.encode(): _Rule(section, special) for name, special in section.exceptions.items()
        }

    @classmethod
    def compile(cls, section: Section | None) -> Self | None:
        """Make the step; None where nothing is asked of any cookie."""
        if section is None:
            return None
        made = cls(section)
        asks = [made._rule, *made._special.values()]
        return None if all(rule.asks_nothing for rule in asks) else made

    def apply(self, exchange: Exchange) -> None:
        """Complete each Set-Cookie line.

        Source: RFC 6265bis §5.6. Controls: RQ-5.
        """
        exchange.response_lines = [
            self._completed(line) if line[:11].lower() == _SET_COOKIE else line
            for line in exchange.response_lines
        ]

    def _completed(self, line: bytes) -> bytes:
        pair, *attributes = line.split(b";")
        # Without `=` it is all value: a cookie without a name.
        name, mark, _ = pair[len(_SET_COOKIE) :].partition(b"=")
        name = name.strip(_BLANKS) if mark else b""
        rule = self._special.get(name, self._rule)
        lower = name.lower()
        is_bound = lower.startswith(_HOST_PREFIX)
        secure = rule.secure or lower.startswith(_SECURE_PREFIXES)
        http_only = rule.http_only or lower.startswith(_HTTP_PREFIXES)
        found = [attribute.strip(_BLANKS).lower() for attribute in attributes]
        added = b""
        if secure and _SECURE not in found:
            added += b"; Secure"
        if http_only and _HTTP_ONLY not in found:
            added += b"; HttpOnly"
        dropped = {_DOMAIN} if rule.drops_domain or is_bound else set()
        if rule.rank and (site := _least_site(found, rule.rank)):
            added += site
            dropped.add(_SAME_SITE)
        kept = [a for a, read in zip(attributes, found, strict=True) if _key(read) not in dropped]
        return line if len(kept) == len(found) and not added else b";".join((pair, *kept)) + added


def _key(attribute: bytes) -> bytes:
    return attribute.partition(b"=")[0].rstrip(_BLANKS)


def _least_site(found: list[bytes], least: int) -> bytes:
    """Write SameSite where it is missing, weaker, unknown or said twice; empty where it is good.

    Args:
        found: the attributes, in lower case.
        least: rank that it must have.
    """
    said = [one.partition(b"=")[2].strip(_BLANKS) for one in found if _key(one) == _SAME_SITE]
    ranks = [_RANKS.get(value, -1) for value in said]
    if len(ranks) == 1 and ranks[0] >= least:
        return b""
    # Of several the last one counts in a browser: the strictest of all cannot be weaker.
    return b"; SameSite=" + _WRITTEN[max([least, *ranks])]
