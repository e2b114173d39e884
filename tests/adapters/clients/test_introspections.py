"""Opaque tokens: asked about once, remembered briefly, refused when nobody answers."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from sidecar.adapters.clients.guarded_session import GuardedSession
from sidecar.adapters.clients.introspections import Introspections
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import Introspection
from sidecar.model.ports import UNKNOWN
from sidecar.model.questions import Introspect
from sidecar.policy.schema.jwt import Introspection as Section
from tests.adapters.clients.provider import Provider
from tests.conftest import ManualClock

TOKEN = b"2YotnFZFEjr1zCsicMWpAA"


class Opened:
    """Introspections under test."""

    def __init__(self, provider: Provider, session: GuardedSession, clock: ManualClock) -> None:
        self.provider, self.session, self.clock = provider, session, clock
        self.made: list[Introspections] = []

    def of(self, entries: int = 100, **changes: object) -> Introspections:
        keys = {
            "url": f"{self.provider.url}/introspect",
            "client_id": "side:car",
            "client_secret": "p%t ä",
            **changes,
        }
        section = Section.model_validate(keys)
        self.made.append(Introspections(section, self.session, self.clock, entries))
        return self.made[-1]


@pytest.fixture
async def opened(
    provider: Provider, session: GuardedSession, clock: ManualClock
) -> AsyncIterator[Opened]:
    one = Opened(provider, session, clock)
    yield one
    for introspections in one.made:
        await introspections.close()


async def test_the_endpoint_is_asked_as_the_rfc_says(opened: Opened) -> None:
    opened.provider.document = b'{"active": true, "sub": "u", "scope": "a b"}'
    said = await opened.of().find(Introspect(TOKEN))
    assert said.is_active
    assert said.claims == {"sub": "u", "scope": "a b"}
    (asked,) = opened.provider.asked
    assert asked.fields == {"token": TOKEN.decode(), "token_type_hint": "access_token"}
    pair = b64encode(b"side%3Acar:p%25t+%C3%A4").decode()
    assert asked.authorization == f"Basic {pair}"


async def test_a_good_token_is_remembered_for_the_time_of_the_policy(opened: Opened) -> None:
    opened.provider.document = b'{"active": true, "sub": "u"}'
    introspections, now = opened.of(), opened.clock.now
    assert introspections.at_hand(TOKEN, now) is UNKNOWN
    said = await introspections.find(Introspect(TOKEN))
    assert introspections.at_hand(TOKEN, now + 29) is said
    assert introspections.at_hand(TOKEN, now + 30) is UNKNOWN
    assert introspections.at_hand(b"another", now) is UNKNOWN


@pytest.mark.control("AN-16")
async def test_an_answer_of_the_future_is_asked_for_again(opened: Opened) -> None:
    """A clock that is set back must not make an answer last longer than the policy says."""
    opened.provider.document = b'{"active": true, "sub": "u"}'
    introspections, now = opened.of(), opened.clock.now
    said = await introspections.find(Introspect(TOKEN))
    assert introspections.at_hand(TOKEN, now - 1) is said
    assert introspections.at_hand(TOKEN, now - 2) is UNKNOWN


async def test_a_good_token_is_not_remembered_beyond_its_end(opened: Opened) -> None:
    now = opened.clock.now
    opened.provider.document = b'{"active": true, "sub": "u", "exp": %d}' % (now + 10)
    introspections = opened.of()
    said = await introspections.find(Introspect(TOKEN))
    assert introspections.at_hand(TOKEN, now + 9) is said
    assert introspections.at_hand(TOKEN, now + 10) is UNKNOWN
    opened.provider.document = b'{"active": true, "sub": "u", "exp": 1}'
    await introspections.find(Introspect(b"old"))
    assert introspections.at_hand(b"old", now) is UNKNOWN


async def test_a_bad_token_is_remembered_briefly_and_without_its_claims(opened: Opened) -> None:
    opened.provider.document = b'{"active": false, "sub": "u"}'
    introspections, now = opened.of(), opened.clock.now
    said = await introspections.find(Introspect(TOKEN))
    assert (said.is_active, said.claims) == (False, {})
    assert introspections.at_hand(TOKEN, now + 4) is said
    assert introspections.at_hand(TOKEN, now + 5) is UNKNOWN


async def test_a_good_token_that_was_revoked_is_forgotten(opened: Opened) -> None:
    introspections, now = opened.of(), opened.clock.now
    opened.provider.document = b'{"active": true, "sub": "u"}'
    await introspections.find(Introspect(TOKEN))
    opened.provider.document = b'{"active": false}'
    await introspections.find(Introspect(TOKEN))
    found = introspections.at_hand(TOKEN, now)
    assert isinstance(found, Introspection)
    assert not found.is_active


async def test_nothing_is_remembered_when_the_policy_says_so(opened: Opened) -> None:
    opened.provider.document = b'{"active": true, "sub": "u"}'
    introspections = opened.of(cache="0s")
    await introspections.find(Introspect(TOKEN))
    assert introspections.at_hand(TOKEN, opened.clock.now) is UNKNOWN


async def test_bad_tokens_cannot_push_good_ones_out(opened: Opened) -> None:
    introspections, now = opened.of(entries=3), opened.clock.now
    opened.provider.document = b'{"active": true, "sub": "u"}'
    good = await introspections.find(Introspect(TOKEN))
    opened.provider.document = b'{"active": false}'
    for number in range(10):
        await introspections.find(Introspect(b"bad%d" % number))
    assert introspections.at_hand(TOKEN, now) is good
    known = [introspections.at_hand(b"bad%d" % n, now) is not UNKNOWN for n in range(10)]
    assert known == [False] * 7 + [True] * 3


async def test_all_who_ask_about_one_token_share_one_call(opened: Opened) -> None:
    opened.provider.document = b'{"active": true, "sub": "u"}'
    opened.provider.go_on = asyncio.Event()
    introspections = opened.of()
    waiting = [asyncio.create_task(introspections.find(Introspect(TOKEN))) for _ in range(50)]
    await opened.provider.arrived.wait()
    waiting[0].cancel()
    opened.provider.go_on.set()
    said = await asyncio.gather(*waiting[1:])
    assert len({id(one) for one in said}) == 1
    assert len(opened.provider.asked) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"active",
        b"[]",
        b"{}",
        b'{"active": "true"}',
        b'{"active": 1}',
        b'{"active": null}',
        b'{"active": false, "active": true}',
        b'{"active": true, "exp": NaN}',
        b'{"active": true, "x": "' + b"a" * 20_000 + b'"}',
    ],
)
async def test_an_answer_that_is_none_is_unavailable(opened: Opened, document: bytes) -> None:
    opened.provider.document = document
    introspections = opened.of()
    with pytest.raises(StoreUnavailableError):
        await introspections.find(Introspect(TOKEN))
    assert introspections.at_hand(TOKEN, opened.clock.now) is UNKNOWN
    assert introspections.errors() == 1


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 500, 503])
async def test_an_endpoint_that_fails_is_unavailable(opened: Opened, status: int) -> None:
    opened.provider.status, opened.provider.document = status, b'{"active": true, "sub": "u"}'
    with pytest.raises(StoreUnavailableError) as caught:
        await opened.of().find(Introspect(TOKEN))
    assert TOKEN.decode() not in caught.value.reason


async def test_an_endpoint_that_is_silent_is_unavailable_in_time(opened: Opened) -> None:
    opened.provider.go_on = asyncio.Event()
    with pytest.raises(StoreUnavailableError, match="in time"):
        await opened.of(timeout="50ms").find(Introspect(TOKEN))


async def test_no_more_than_a_bound_of_tokens_is_asked_about_at_a_time(opened: Opened) -> None:
    opened.provider.go_on = asyncio.Event()
    introspections = opened.of()
    waiting = [
        asyncio.create_task(introspections.find(Introspect(b"t%d" % number)))
        for number in range(256)
    ]
    await opened.provider.arrived.wait()
    with pytest.raises(StoreUnavailableError, match="too many"):
        await introspections.find(Introspect(TOKEN))
    await introspections.close()
    said = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, StoreUnavailableError) for one in said)


def test_the_question_does_not_print_the_token() -> None:
    assert TOKEN.decode() not in repr(Introspect(TOKEN))
