"""Refuse another site's writes where callers prove who they are (RQ-5).

Apart from `csrf`, so that a policy without authentication need not import what proves callers.
"""

from typing import ClassVar, Final

from sidecar.decision.steps.authenticate import is_unproved
from sidecar.decision.steps.csrf import Csrf
from sidecar.knowledge.auth.credentials import Credentials, Place
from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead
from sidecar.policy.schema.csrf import Csrf as Section

_EXPLICIT: Final = frozenset((Place.KEY, Place.BEARER))


class CallerCsrf(Csrf):
    """The same, but a caller whose key or token stands in a header field passes.

    What stands in the query or in a cookie does not tell: another site can have a browser send
    both, the former with a key of its own.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"head", "is_secure", "is_from_proxy", "principal"})

    def __init__(self, section: Section, credentials: Credentials) -> None:
        super().__init__(section)
        self._credentials = credentials

    def carries_credential(self, head: RequestHead) -> bool:
        """Tell whether a request carries a credential of the sidecar's, wherever it stands."""
        return bool(self._credentials.read(head, claims_any_bearer=True).places)

    def _is_explicit(self, exchange: Exchange, head: RequestHead) -> bool:
        if is_unproved(exchange):
            return False
        # Read again: writes with ambient credentials beside a key or a token are rare.
        found = self._credentials.read(head, claims_any_bearer=True)
        return any(place in _EXPLICIT for place in found.places)
