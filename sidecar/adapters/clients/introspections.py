"""What an issuer says of opaque tokens (RFC 7662), remembered for as long as the policy allows.

Tokens are remembered by their SHA-256 alone. Good and bad ones are kept apart, so that nobody can
push the good ones out with tokens of their own making.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final
from urllib.parse import quote_plus

from sidecar.adapters.clients.guarded_session import Call, GuardedSession
from sidecar.knowledge.auth.strict_json import strict_object
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import Introspection
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import Introspect
from sidecar.policy.schema.jwt import Introspection as Section

_LIMIT_BYTES: Final = 16 * 1024
_NEGATIVE_SECONDS: Final = 5.0
"""A token may become good: some servers replicate what they issued with a delay."""

_SLACK_SECONDS: Final = 1.0
"""A request may have begun a moment before the answer that it shares."""

_FLIGHTS: Final = 256
"""Most tokens that are asked about at a time; beyond, the answer is 503 at once."""


class Introspections:
    """Asks the introspection endpoint, and remembers what it said.

    Args:
        section: the section of the policy.
        session: makes the calls; the caller closes it.
        clock: Unix seconds.
        entries: most tokens that are remembered, good ones and bad ones each.
    """

    def __init__(
        self, section: Section, session: GuardedSession, clock: Callable[[], float], entries: int
    ) -> None:
        self._section = section
        self._session = session
        self._clock = clock
        self._entries = entries
        self._good: dict[bytes, tuple[Introspection, float]] = {}
        self._bad: dict[bytes, tuple[Introspection, float]] = {}
        self._flights: dict[bytes, asyncio.Task[Introspection]] = {}
        self._errors = 0
        # RFC 6749 §2.3.1: both are form-encoded before they become a user's name and password.
        secret = section.client_secret.reveal().decode("latin-1")
        self._user = (quote_plus(section.client_id), quote_plus(secret, encoding="latin-1"))

    def at_hand(self, token: bytes, now: float) -> Introspection | Unsure:
        """Return what was said of a token, UNKNOWN when its issuer must be asked."""
        digest = sha256(token).digest()
        found = self._good.get(digest) or self._bad.get(digest)
        if found is None:
            return UNKNOWN
        said, until = found
        # Of an answer from the future nobody knows how old it is: the clock was set back.
        is_fresh = said.asked_at - _SLACK_SECONDS <= now < until
        return said if is_fresh else UNKNOWN

    async def find(self, question: Introspect) -> Introspection:
        """Ask about a token; all who ask about one token at a time share one call.

        Raises:
            StoreUnavailableError: no answer, or none that RFC 7662 knows; never an admission.
        """
        digest = sha256(question.token).digest()
        flight = self._flights.get(digest)
        if flight is None:
            if len(self._flights) >= _FLIGHTS:
                raise StoreUnavailableError("too many tokens are being asked about")
            flight = asyncio.create_task(self._ask(digest, question.token))
            flight.add_done_callback(_take_note)
            self._flights[digest] = flight
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not flight.cancelled() or (task is not None and task.cancelling()):
                raise
            raise StoreUnavailableError("the introspections are being closed") from None

    def errors(self) -> int:
        """Count the calls that gave no answer."""
        return self._errors

    async def close(self) -> None:
        """Give up what is in flight."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _ask(self, digest: bytes, token: bytes) -> Introspection:
        section = self._section
        # Whoever judges tokens has checked that this one is ASCII (RFC 6750 §2.1).
        form = {"token": token.decode("latin-1"), "token_type_hint": "access_token"}
        call = Call(section.url, section.ca, section.timeout, _LIMIT_BYTES, form, self._user)
        try:
            answer = await self._session.call(call)
            said = _read(answer.body, self._clock())
        except StoreUnavailableError:
            self._errors += 1
            raise
        finally:
            del self._flights[digest]
        self._remember(digest, said)
        return said

    def _remember(self, digest: bytes, said: Introspection) -> None:
        memory, other = (self._good, self._bad) if said.is_active else (self._bad, self._good)
        other.pop(digest, None)
        memory.pop(digest, None)
        seconds = self._section.cache
        until = said.asked_at + (seconds if said.is_active else min(seconds, _NEGATIVE_SECONDS))
        expires_at = said.claims.get("exp")
        if isinstance(expires_at, int | float):
            until = min(until, expires_at)
        if until <= said.asked_at:
            return
        if len(memory) >= self._entries:
            del memory[next(iter(memory))]
        memory[digest] = (said, until)


def _take_note(flight: asyncio.Task[Introspection]) -> None:
    # Whoever asked may have left: then nobody else looks at the exception.
    if not flight.cancelled():
        flight.exception()


def _read(body: bytes, now: float) -> Introspection:
    found = strict_object(body)
    is_active = None if found is None else found.pop("active", None)
    if found is None or not isinstance(is_active, bool):
        raise StoreUnavailableError("introspection: the answer is none of RFC 7662")
    return Introspection(is_active, found if is_active else {}, now)
