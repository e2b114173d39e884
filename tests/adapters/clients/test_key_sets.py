"""Key sets of issuers: there before they are needed, and never worse than unknown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.adapters.clients.guarded_session import GuardedSession
from sidecar.adapters.clients.key_sets import KeySets, Pace
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeySet
from sidecar.model.ports import UNKNOWN
from sidecar.model.questions import FindKeySet
from sidecar.model.secret import Secret
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.jwt import Issuer
from tests.adapters.clients.provider import Provider
from tests.conftest import ManualClock
from tests.knowledge.auth.minting import ISSUER, SECRET, jwks, public_jwk

FIRST = jwks(public_jwk("P-256", kid="one"))
SECOND = jwks(public_jwk("P-384", kid="two"))


class Pauses:
    """Waits that end when the test says so."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[float] = asyncio.Queue()
        self.over: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        self.begun.put_nowait(seconds)
        await self.over.get()


def an_issuer(jwks_at: str | NamedFile | None, **changes: object) -> Issuer:
    facts: dict[str, object] = {
        "issuer": ISSUER,
        "audiences": ("orders",),
        "algorithms": ("ES256",),
        "jwks": jwks_at,
        "refresh": 300.0,
        "stale_if_error": 600.0,
        "cooldown": 30.0,
        **changes,
    }
    return Issuer.model_construct(None, **facts)  # type: ignore[arg-type]  # facts by name


class Opened:
    """Key sets under test, with everything that they are given."""

    def __init__(self, clock: ManualClock, session: GuardedSession) -> None:
        self.clock = clock
        self.session = session
        self.pauses = Pauses()
        self.made: list[KeySets] = []
        self.jitter = 0.0

    def of(self, *issuers: Issuer) -> KeySets:
        pace = Pace(self.clock, lambda: self.jitter, self.pauses)
        key_sets = KeySets(issuers, self.session, pace, lambda name: Path(name).read_bytes())
        self.made.append(key_sets)
        return key_sets


@pytest.fixture
async def opened(clock: ManualClock, session: GuardedSession) -> AsyncIterator[Opened]:
    one = Opened(clock, session)
    yield one
    for key_sets in one.made:
        await key_sets.close()


def ids_of(found: object) -> list[str]:
    assert isinstance(found, KeySet)
    return [key.key_id for key in found.keys]


async def test_keys_are_there_after_loading(provider: Provider, opened: Opened) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    assert key_sets.at_hand(ISSUER) is UNKNOWN
    assert not key_sets.is_loaded(ISSUER)
    assert key_sets.age_seconds(ISSUER) == float("inf")
    await key_sets.load()
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    assert key_sets.is_loaded(ISSUER)
    opened.clock.advance(7)
    assert key_sets.age_seconds(ISSUER) == 7
    assert key_sets.at_hand("https://nobody.example") is UNKNOWN


async def test_keys_that_were_never_loaded_are_unavailable_not_wrong(
    provider: Provider, opened: Opened
) -> None:
    provider.status = 500
    key_sets = opened.of(an_issuer(provider.url))
    with pytest.raises(StoreUnavailableError, match="no key set of"):
        await key_sets.load()
    with pytest.raises(StoreUnavailableError, match="no key set of"):
        await key_sets.find(FindKeySet(ISSUER, ""))
    assert len(provider.asked) == 1, "asked again within the same second"
    opened.clock.advance(1)
    provider.status, provider.document = 200, FIRST
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, ""))) == ["one"]
    assert key_sets.errors(ISSUER) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [1]}',
        jwks(public_jwk("oct")),
        jwks(public_jwk("RSA 1024")),
        b'{"keys": [' + b" " * 300_000 + b"]}",
        jwks(*[public_jwk("P-256")] * 101),
    ],
)
async def test_a_document_without_a_usable_key_changes_nothing(
    provider: Provider, opened: Opened, document: bytes
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    provider.document = document
    opened.clock.advance(30)
    with pytest.raises(StoreUnavailableError):
        await key_sets.find(FindKeySet(ISSUER, "two"))
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    assert key_sets.errors(ISSUER) == 1


async def test_an_unknown_kid_has_the_keys_fetched_once_for_all_who_wait(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    opened.clock.advance(30)
    provider.document, provider.go_on = SECOND, asyncio.Event()
    provider.arrived.clear()
    waiting = [asyncio.create_task(key_sets.find(FindKeySet(ISSUER, "two"))) for _ in range(50)]
    await provider.arrived.wait()
    waiting[0].cancel()
    provider.go_on.set()
    found = await asyncio.gather(*waiting[1:])
    assert all(ids_of(one) == ["two"] for one in found)
    assert len(provider.asked) == 2


async def test_a_kid_that_nobody_knows_is_fetched_for_once_within_the_cool_down(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    for number in range(20):
        assert ids_of(await key_sets.find(FindKeySet(ISSUER, f"random {number}"))) == ["one"]
    assert len(provider.asked) == 2
    opened.clock.advance(29)
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "random"))) == ["one"]
    assert len(provider.asked) == 2
    opened.clock.advance(1)
    for number in range(20):
        assert ids_of(await key_sets.find(FindKeySet(ISSUER, f"random {number}"))) == ["one"]
    assert len(provider.asked) == 3


async def test_a_key_that_came_right_after_a_renewal_is_found(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    key_sets.start()
    await opened.pauses.begun.get()
    provider.document = SECOND
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "two"))) == ["two"]


async def test_a_file_is_read_again_for_an_unknown_kid_at_most_once_a_second(
    opened: Opened, tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(FIRST)
    key_sets = opened.of(an_issuer(NamedFile(str(file), FIRST)))
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "two"))) == ["one"]
    file.write_bytes(SECOND)
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "two"))) == ["one"]
    opened.clock.advance(1)
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "two"))) == ["two"]


async def test_an_unknown_kid_is_not_called_unknown_while_the_issuer_is_silent(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    opened.clock.advance(30)
    provider.status = 503
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await key_sets.find(FindKeySet(ISSUER, "two"))
    assert len(provider.asked) == 2
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, "one"))) == ["one"]


async def test_known_keys_go_on_while_the_issuer_is_down_and_end_in_time(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    provider.status = 500
    opened.clock.advance(900)
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    for wanted, goes_on in (("another", True), ("", False)):
        with pytest.raises(StoreUnavailableError):
            await key_sets.find(FindKeySet(ISSUER, wanted))
        assert [key_sets.is_stale(ISSUER), key_sets.is_loaded(ISSUER)] == [goes_on] * 2
        opened.clock.advance(1)
    provider.status = 200
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, ""))) == ["one"]


@pytest.mark.control("AN-16")
async def test_keys_of_the_future_are_fetched_anew_at_once(
    provider: Provider, opened: Opened
) -> None:
    """A clock that is set back must not make keys last longer than the policy says."""
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    opened.clock.advance(-1)
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    opened.clock.advance(-86400)
    assert key_sets.at_hand(ISSUER) is UNKNOWN
    provider.document = SECOND
    assert ids_of(await key_sets.find(FindKeySet(ISSUER, ""))) == ["two"]


async def test_the_same_document_stays_the_same_key_set(provider: Provider, opened: Opened) -> None:
    provider.document = FIRST
    key_sets = opened.of(an_issuer(provider.url))
    await key_sets.load()
    first = key_sets.at_hand(ISSUER)
    opened.clock.advance(31)
    assert await key_sets.find(FindKeySet(ISSUER, "two")) is first
    assert key_sets.age_seconds(ISSUER) == 0


@pytest.mark.parametrize(
    ("cache_control", "jitter", "delay"),
    [
        ("", 0.0, 300.0),
        ("", 1.0, 270.0),
        ("max-age=120", 0.0, 120.0),
        ("public, Max-Age=7", 0.0, 60.0),
        ("max-age=86400", 0.0, 300.0),
        ("s-max-age=7", 0.0, 300.0),
        ("max-age=soon", 0.0, 300.0),
    ],
)
async def test_keys_are_renewed_before_they_are_needed(
    provider: Provider, opened: Opened, cache_control: str, jitter: float, delay: float
) -> None:
    provider.document, opened.jitter = FIRST, jitter
    provider.headers = {"Cache-Control": cache_control}
    key_sets = opened.of(an_issuer(provider.url))
    key_sets.start()
    assert await opened.pauses.begun.get() == pytest.approx(delay)
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    provider.document = SECOND
    opened.pauses.over.put_nowait(None)
    assert await opened.pauses.begun.get() == pytest.approx(delay)
    assert ids_of(key_sets.at_hand(ISSUER)) == ["two"]


async def test_after_a_failure_the_next_attempt_comes_sooner(
    provider: Provider, opened: Opened
) -> None:
    provider.status = 500
    opened.of(an_issuer(provider.url)).start()
    assert await opened.pauses.begun.get() == 30.0
    opened.pauses.over.put_nowait(None)
    assert await opened.pauses.begun.get() == 30.0
    assert len(provider.asked) == 2


async def test_a_file_is_there_at_once_and_read_again(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(FIRST)
    key_sets = opened.of(an_issuer(NamedFile(str(file), FIRST)))
    assert ids_of(key_sets.at_hand(ISSUER)) == ["one"]
    key_sets.start()
    assert await opened.pauses.begun.get() == 5.0
    file.write_bytes(SECOND)
    opened.pauses.over.put_nowait(None)
    await opened.pauses.begun.get()
    assert ids_of(key_sets.at_hand(ISSUER)) == ["two"]
    file.unlink()
    opened.pauses.over.put_nowait(None)
    await opened.pauses.begun.get()
    assert ids_of(key_sets.at_hand(ISSUER)) == ["two"]
    assert key_sets.errors(ISSUER) == 1


async def test_a_mistake_of_ours_does_not_end_the_renewal(opened: Opened) -> None:
    pace = Pace(opened.clock, lambda: 0.0, opened.pauses)

    def broken(_name: str) -> bytes:
        raise RuntimeError

    key_sets = KeySets([an_issuer(NamedFile("jwks", FIRST))], opened.session, pace, broken)
    opened.made.append(key_sets)
    key_sets.start()
    for _ in range(3):
        await opened.pauses.begun.get()
        opened.pauses.over.put_nowait(None)
    assert key_sets.is_loaded(ISSUER)


async def test_a_file_without_keys_is_not_loaded(opened: Opened) -> None:
    key_sets = opened.of(an_issuer(NamedFile("/nowhere", b"{}")))
    assert not key_sets.is_loaded(ISSUER)
    with pytest.raises(StoreUnavailableError):
        await key_sets.load()


async def test_a_shared_secret_is_there_at_once_and_never_old(opened: Opened) -> None:
    key_sets = opened.of(an_issuer(None, secret=Secret(SECRET)))
    opened.clock.advance(10_000_000)
    assert ids_of(key_sets.at_hand(ISSUER)) == [""]
    assert key_sets.issuers() == []
    key_sets.start()
    await key_sets.load()


async def test_an_issuer_without_any_source_is_unavailable(opened: Opened) -> None:
    key_sets = opened.of(an_issuer(None))
    with pytest.raises(StoreUnavailableError):
        await key_sets.load()
    with pytest.raises(StoreUnavailableError, match="not of this policy"):
        await key_sets.find(FindKeySet("https://nobody.example", ""))


async def test_a_new_policy_goes_on_with_the_keys_of_the_former_one(
    provider: Provider, opened: Opened
) -> None:
    provider.document = FIRST
    former = opened.of(an_issuer(provider.url))
    await former.load()
    same = opened.of(an_issuer(provider.url, leeway=1.0))
    assert same.take_over(former) == {ISSUER}
    assert same.at_hand(ISSUER) is former.at_hand(ISSUER)
    moved = opened.of(an_issuer(f"{provider.url}/new"))
    assert moved.take_over(former) == frozenset()
    assert not moved.is_loaded(ISSUER)


async def test_whoever_waits_when_it_closes_is_told(provider: Provider, opened: Opened) -> None:
    provider.go_on = asyncio.Event()
    key_sets = opened.of(an_issuer(provider.url))
    waiting = asyncio.create_task(key_sets.find(FindKeySet(ISSUER, "")))
    await provider.arrived.wait()
    await key_sets.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await waiting


async def test_keys_are_fetched_over_verified_tls_alone(
    tls_provider: Callable[[str], asyncio.Future[Provider]], opened: Opened, tmp_path: Path
) -> None:
    provider = await tls_provider("127.0.0.1")
    provider.document = FIRST
    trusting = opened.of(an_issuer(provider.url, ca=provider.trust(tmp_path)))
    await trusting.load()
    assert trusting.is_loaded(ISSUER)
    with pytest.raises(StoreUnavailableError):
        await opened.of(an_issuer(provider.url)).load()


async def test_a_redirect_to_another_host_brings_no_keys(
    provider: Provider, opened: Opened
) -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://localhost:1/keys"})

    provider.handler = elsewhere
    with pytest.raises(StoreUnavailableError):
        await opened.of(an_issuer(provider.url)).load()
