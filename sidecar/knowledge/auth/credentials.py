"""Which credentials of ours a request carries, and what must not reach the service behind us.

1. The key's own field, the query parameter and the cookie of the policy are the sidecar's, whatever
   they hold.
2. A Bearer value is the sidecar's if a prover recognises it.
3. If nothing else is the sidecar's, any Bearer is; it will fail.
4. Everything else in Authorization belongs to the application and passes untouched.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sidecar.knowledge.auth.prover import Prover
from sidecar.knowledge.http1.query import values_of
from sidecar.model.fields import Field
from sidecar.model.message import RequestHead

_AUTHORIZATION: Final = b"authorization"
_COOKIE: Final = b"cookie"
_BEARER: Final = b"bearer"
_BLANKS: Final = b" \t"


class Place(Enum):
    """Where a credential stood."""

    KEY = 0
    BEARER = 1
    COOKIE = 2
    QUERY = 3


_KEY, _BEARER_PLACE, _COOKIE_PLACE, _QUERY = Place


@dataclass(frozen=True, slots=True)
class Places:
    """Where the policy reads credentials from.

    Attributes:
        header: field of API keys, in lower case; empty for none.
        query: query parameter of API keys; empty for none.
        cookie: cookie of tokens; empty for none.
        reads_bearer: whether `Authorization: Bearer` may carry one.
        takes_bearer_keys: whether that one may be a key.
    """

    header: bytes
    query: bytes
    cookie: bytes
    reads_bearer: bool
    takes_bearer_keys: bool = True


@dataclass(frozen=True, slots=True)
class Provers:
    """The methods of authentication that the policy has.

    Attributes:
        keys: judges API keys.
        tokens: judges tokens.
    """

    keys: Prover | None = None
    tokens: Prover | None = None


class Found:
    """What a request carries.

    Attributes:
        values: different credentials of the sidecar's own.
        places: where each of them stood first.
        bearer: the Bearer value, recognised or not; empty for none.
        lines: lines of Authorization and Cookie that carried one, and what may go on in their
            place; the key's own field never goes on, whatever its spelling.
    """

    __slots__ = ("bearer", "bearer_line", "lines", "places", "values")

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.places: list[Place] = []
        self.bearer = b""
        self.bearer_line = b""
        self.lines: dict[bytes, bytes | None] = {}

    def note(self, value: bytes, place: Place) -> None:
        """Note a credential once."""
        if value not in self.values:
            self.values.append(value)
            self.places.append(place)


class Credentials:
    """Reads the credentials of requests."""

    __slots__ = ("_cookie", "_header", "_places", "_provers")

    def __init__(self, places: Places, provers: Provers) -> None:
        """Keep the rules.

        Args:
            places: where to read.
            provers: what recognises and judges a credential.
        """
        self._places = places
        self._provers = provers
        self._header = places.header
        self._cookie = places.cookie

    def read(self, head: RequestHead, *, claims_any_bearer: bool) -> Found:
        """Read them.

        Args:
            head: the request.
            claims_any_bearer: whether a Bearer that nobody recognises is the sidecar's when there
                is nothing else (rule 3); not so on public routes.
        """
        found = Found()
        for field in head.named:
            name = field.name
            if name == _AUTHORIZATION:
                self._read_authorization(field, found)
            elif name == self._header:
                found.note(field.value, _KEY)
            elif name == _COOKIE and self._cookie:
                self._read_cookies(field, found)
        if self._places.query and head.query is not None:
            for value in values_of(head.query, self._places.query):
                found.note(value, _QUERY)
        self._judge_bearer(found, claims_any=claims_any_bearer)
        return found

    def prover_of(self, found: Found) -> Prover | None:
        """Choose who judges the one credential: a cookie carries no key, the key's field no token.

        Args:
            found: what `read` returned, with one value.
        """
        keys, tokens = self._provers.keys, self._provers.tokens
        place = found.places[0]
        if place is _KEY or place is _QUERY or tokens is None:
            return None if place is _COOKIE_PLACE else keys
        if place is _BEARER_PLACE and keys is not None and keys.recognises(found.values[0]):
            return keys if self._places.takes_bearer_keys else None
        return tokens

    def _read_authorization(self, field: Field, found: Found) -> None:
        # RFC 9110 §11.4 has a blank there; services split at a tab as well.
        scheme, _, value = field.value.replace(b"\t", b" ").partition(b" ")
        if self._places.reads_bearer and scheme.lower() == _BEARER:
            found.bearer = value.strip(b" ")
            found.bearer_line = field.line

    def _read_cookies(self, field: Field, found: Found) -> None:
        pairs = [pair.strip(_BLANKS) for pair in field.value.split(b";")]
        values = [value for pair in pairs if (value := self._own_cookie(pair)) is not None]
        if not values:
            return
        for value in values:
            found.note(value, _COOKIE_PLACE)
        others = [pair for pair in pairs if self._own_cookie(pair) is None]
        found.lines[field.line] = b"Cookie: " + b"; ".join(others) if others else None

    def _own_cookie(self, pair: bytes) -> bytes | None:
        """Return the value of the sidecar's own cookie; None for another one."""
        # Services cut blanks off a name too, which RFC 6265 §4.2.1 does not know.
        name, mark, value = pair.partition(b"=")
        is_own = mark and name.rstrip(_BLANKS) == self._cookie
        return value.strip(_BLANKS).strip(b'"') if is_own else None

    def _judge_bearer(self, found: Found, *, claims_any: bool) -> None:
        bearer = found.bearer
        if not found.bearer_line:
            return
        keys, tokens = self._provers.keys, self._provers.tokens
        is_ours = (keys is not None and keys.recognises(bearer)) or (
            tokens is not None and tokens.recognises(bearer)
        )
        if is_ours or (claims_any and not found.values):
            found.note(bearer, _BEARER_PLACE)
            found.lines[found.bearer_line] = None
