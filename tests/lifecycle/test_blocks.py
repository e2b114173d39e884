"""Blocks, as operators add, list and lift them: what is doubted, what is written, what is told."""

import json

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.blocks import REASON_CHARACTERS
from sidecar.lifecycle.errors import BadValueError, ConflictError, LifecycleError, NotFoundError
from sidecar.model.blocks import MOST_BLOCKS, Block, BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.moments import write_moment
from sidecar.model.ports import Event
from tests.builders import a_policy
from tests.lifecycle.desks import Installation, a_guarded_policy
from tests.lifecycle.noting import NOW, OPS
from tests.stores.rows import a_block

PATH = "/v1/blocks"
NOBODY = "0190a4c2-7d10-7abc-8def-ffffffffffff"
KEY = "sk_live_0123456789abcdefghjkmnpqrs"


@pytest.fixture
def at() -> Installation:
    return an_installation()


def an_installation(**sections: object) -> Installation:
    listen = {"trusted_proxies": ["10.0.0.0/8", "2001:db8:ffff::/48"]}
    return Installation(a_guarded_policy(blocks={}, listen=listen, **sections))


async def add(at: Installation, kind: str, value: str, **more: object) -> dict[str, object]:
    body = json.dumps({"kind": kind, "value": value, **more}).encode()
    return dict(await at.operations["POST", PATH].perform(OPS, {}, (), body))


async def remove(at: Installation, kind: str, value: str) -> dict[str, object]:
    return await at.call("DELETE", PATH, query={"kind": kind, "value": value})


async def held(at: Installation) -> list[Block]:
    assert at.store is not None
    return await at.store.blocks("", 99)


async def test_a_block_is_added_listed_and_lifted(at: Installation) -> None:
    made = await add(at, "address", "203.0.113.0/24", until="2h", reason="scans")
    assert made == {
        "id": "address:203.0.113.0/24",
        "kind": "address",
        "value": "203.0.113.0/24",
        "until": write_moment(NOW + 7200),
        "reason": "scans",
        "created": write_moment(NOW),
        "created_by": OPS,
    }
    assert await held(at) == [
        Block(BlockKind.ADDRESS, "203.0.113.0/24", NOW + 7200, "scans", OPS, NOW)
    ]
    assert await at.call("GET", PATH) == {"blocks": [made], "next": None}
    gone = await remove(at, "address", "203.0.113.0/24")
    assert gone == {"kind": "address", "value": "203.0.113.0/24"}
    assert await held(at) == []
    details = {"until": write_moment(NOW + 7200), "reason": "scans", "forced": False}
    name = "address:203.0.113.0/24"
    assert at.events == [
        Event("block.create", OPS, None, "block", name, details=details),
        Event("block.remove", OPS, None, "block", name),
    ]


async def test_adding_again_replaces(at: Installation) -> None:
    await add(at, "address", "203.0.113.7", until="2h", reason="first")
    anew = await add(at, "address", "::ffff:203.0.113.7")
    assert (anew["value"], anew["until"], anew["reason"]) == ("203.0.113.7", None, None)
    assert len(await held(at)) == 1
    assert (await remove(at, "address", "203.0.113.7/32"))["value"] == "203.0.113.7"


async def test_keys_and_tenants_that_are_known_are_blocked(at: Installation) -> None:
    key = str((await at.make())["id"])
    await at.tenants("create", "initech")
    for kind, value in (("key", key), ("tenant", "acme"), ("tenant", "initech")):
        assert (await add(at, kind, value))["id"] == f"{kind}:{value}"
    tenants = [event.tenant for event in at.events if event.action == "block.create"]
    assert tenants == [None, "acme", "initech"]


async def test_blocks_are_listed_by_pages(at: Installation) -> None:
    for value in ("203.0.113.7", "198.51.100.0/24", "2001:db8::/48"):
        await add(at, "address", value)
    first = await at.call("GET", PATH, query={"limit": "2"})
    rest = await at.call("GET", PATH, query={"limit": "2", "after": str(first["next"])})
    assert isinstance(first["blocks"], list)
    assert isinstance(rest["blocks"], list)
    assert [one["value"] for one in (*first["blocks"], *rest["blocks"])] == [
        "198.51.100.0/24", "2001:db8::/48", "203.0.113.7",
    ]  # fmt: skip
    assert rest["next"] is None


DOUBTS = [
    pytest.param("address", "0.0.0.0/0", BadValueError, "wider than /8", id="everybody"),
    pytest.param("address", "128.0.0.0/7", BadValueError, "wider than /8", id="a quarter"),
    pytest.param("address", "::/0", BadValueError, "wider than /16", id="all of IPv6"),
    pytest.param("address", "2000::/15", BadValueError, "wider than /16", id="much of IPv6"),
    pytest.param("address", "::ffff:0:0/96", BadValueError, "wider than /8", id="mapped"),
    pytest.param("address", "10.9.8.7", ConflictError, "trusted proxies", id="a proxy"),
    pytest.param("address", "10.0.0.0/8", ConflictError, "trusted proxies", id="all proxies"),
    pytest.param("address", "::ffff:10.1.1.1", ConflictError, "trusted", id="a mapped proxy"),
    pytest.param("address", "2001:db8::/32", ConflictError, "trusted", id="more than the proxies"),
    pytest.param("key", NOBODY, NotFoundError, f"no key {NOBODY}", id="a key of nobody"),
    pytest.param("tenant", "initech", NotFoundError, "no tenant initech", id="a slip"),
]


@pytest.mark.parametrize(("kind", "value", "error", "message"), DOUBTS)
async def test_what_is_doubtful_has_to_be_forced(
    at: Installation, kind: str, value: str, error: type[LifecycleError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        await add(at, kind, value)
    assert "force" in caught.value.hint
    assert await held(at) == []
    assert await add(at, kind, value, force=True)
    assert [event.reason is None for event in at.events] == [False, True]
    assert at.events[1].details is not None
    assert at.events[1].details["forced"] is True


@pytest.mark.parametrize("value", ["9.0.0.0/8", "11.0.0.1", "2001:db8::/48", "2000::/16"])
async def test_what_is_beside_the_proxies_and_small_enough_is_not_doubted(value: str) -> None:
    at = Installation(a_guarded_policy(blocks={}, listen={"trusted_proxies": ["10.0.0.0/8"]}))
    assert (await add(at, "address", value))["value"] == value


@pytest.mark.parametrize(
    ("members", "message", "hint"),
    [
        ({"kind": "address"}, "value is missing", ""),
        ({"kind": "country", "value": "xx"}, "nothing of this kind", "address, key, tenant"),
        ({"kind": "address", "value": ""}, "neither an address nor a network", "203.0.113.7"),
        ({"kind": "address", "value": "example.org"}, "neither an address", "203.0.113.7"),
        ({"kind": "address", "value": "1.2.3"}, "neither an address", "203.0.113.7"),
        ({"kind": "address", "value": "1.2.3.4/24"}, "bits set", "1.2.3.0/24"),
        ({"kind": "address", "value": "2001:db8::1/32"}, "bits set", "2001:db8::/32"),
        ({"kind": "address", "value": "fe80::1%eth0"}, "a zone", "without %"),
        ({"kind": "address", "value": "1" * 129}, "value: ", ""),
        ({"kind": "tenant", "value": "a b"}, "the tenant's id", ""),
        ({"kind": "key", "value": KEY}, "this is no id of a key", "keys list"),
        ({"kind": "tenant", "value": "acme", "until": "2020-01-01"}, "until is past", ""),
        ({"kind": "tenant", "value": "acme", "until": "0s"}, "until is past", ""),
        ({"kind": "tenant", "value": "acme", "until": "soon"}, "no point in time", ""),
        ({"kind": "tenant", "value": "acme", "reason": "a\nb"}, "no line of text", "200"),
        ({"kind": "tenant", "value": "acme", "reason": "\x1b[2J"}, "no line of text", "200"),
        (
            {"kind": "tenant", "value": "acme", "reason": "x" * (REASON_CHARACTERS + 1)},
            "no line of text", "200",
        ),
        ({"kind": "tenant", "value": "acme", "why": "x"}, "why is no member", ""),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_said_and_blocks_nobody(
    at: Installation, members: dict[str, object], message: str, hint: str
) -> None:
    body = json.dumps({**members, "force": True}).encode()
    with pytest.raises(BadValueError, match=message) as caught:
        await at.operations["POST", PATH].perform(OPS, {}, (), body)
    assert hint in caught.value.hint
    assert await held(at) == []
    assert at.events.done == []


async def test_a_key_in_the_place_of_its_id_is_repeated_nowhere(at: Installation) -> None:
    for call in (add, remove):
        with pytest.raises(BadValueError) as caught:
            await call(at, "key", KEY)
        assert KEY not in str(caught.value) + caught.value.hint
    assert KEY not in str(at.events)
    assert [event.resource_id for event in at.events] == ["key:-", "key:-"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "kind is missing"),
        ({"kind": "address"}, "value is missing"),
        ({"value": "1.2.3.4"}, "kind is missing"),
        ({"kind": "country", "value": "xx"}, "nothing of this kind"),
        ({"kind": "address", "value": "1.2.3"}, "neither an address"),
    ],
)
async def test_which_block_is_lifted_must_be_said(
    at: Installation, query: dict[str, str], message: str
) -> None:
    with pytest.raises(BadValueError, match=message):
        await at.call("DELETE", PATH, query=query)


async def test_a_block_that_is_not_there_or_over_is_not_found(at: Installation) -> None:
    await add(at, "tenant", "acme", until="1m")
    at.clock.now += 60
    for _ in range(2):
        with pytest.raises(NotFoundError, match="the tenant acme is not blocked"):
            await remove(at, "tenant", "acme")
    assert await at.call("GET", PATH) == {"blocks": [], "next": None}


async def test_a_policy_that_enforces_no_blocks_takes_none_but_lifts_what_is_left() -> None:
    at = Installation()
    with pytest.raises(ConflictError, match="this policy enforces no blocks") as caught:
        await add(at, "tenant", "acme", force=True)
    assert "blocks: {}" in caught.value.hint
    assert at.events.undone == [("block.create", "this policy enforces no blocks")]
    assert at.store is not None
    await at.store.put_block(a_block("acme", BlockKind.TENANT), 9)
    assert len(await held(at)) == 1
    await remove(at, "tenant", "acme")
    assert await held(at) == []


async def test_a_full_store_says_so() -> None:
    class Full(MemoryStore):
        async def put_block(self, block: Block, most: int) -> bool:
            assert most == MOST_BLOCKS
            return await super().put_block(block, 1)

    at = Installation(a_policy(blocks={}), store=Full(lambda: NOW))
    await add(at, "address", "203.0.113.7")
    with pytest.raises(ConflictError, match="there are 10000 blocks already"):
        await add(at, "address", "203.0.113.8")
    assert at.events.undone[0][0] == "block.create"
    assert await add(at, "address", "203.0.113.7", reason="anew")


async def test_a_store_that_is_gone_is_audited_as_not_done() -> None:
    class Gone(MemoryStore):
        async def put_block(self, block: Block, most: int) -> bool:
            raise StoreUnavailableError(f"no {block.id} of {most}")

    at = Installation(a_policy(blocks={}), store=Gone(lambda: NOW))
    with pytest.raises(StoreUnavailableError):
        await add(at, "address", "203.0.113.7")
    assert at.events.undone == [("block.create", "no address:203.0.113.7 of 10000")]
