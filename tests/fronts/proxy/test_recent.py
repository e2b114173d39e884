"""Decisions are kept small: what may be told of them, and nothing else of what a client sent."""

import asyncio
import gc
import json
import sys
import tracemalloc
import weakref
from collections.abc import Mapping
from dataclasses import replace

import pytest

from sidecar.decision.pipeline import Generation, build
from sidecar.fronts.proxy.recent import SHARES, Era, Kept, Recent, Ring, Told
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Stage
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict
from sidecar.policy.schema.explain import Explain
from tests.builders import an_unread_exchange
from tests.fronts.proxy.rehearsal.rehearsing import NOW, a_caller, a_text, asking

CANARY = "c4n4ry"
TEXT = a_text(
    "limits: {address: {limit: 5/min}}\n"
    "routes:\n"
    "  - {path: /open, public: true}\n"
    "  - {path: '/files/{name}', public: true}\n"
    "  - {path: /admin, role: admin}\n"
    "  - {path: /soft, role: admin, mode: shadow}\n"
)
VIEWER = a_caller("acme", "viewer")


def a_generation() -> Generation:
    policy = TEXT.loaded.policy
    return build(policy, assumed(policy, lambda: NOW))


def era(generation: Generation, sha256: str = "first", since: float = 0.0) -> Era:
    return Era(generation, sha256, since)


def noted(recent: Recent, generation: Generation, asked: Asked, own_id: str = "own-id-1") -> None:
    """Play a request, and have it noted as the driver does."""
    played = asyncio.run(Stage(generation, Careful(), own_id.encode).play(asked))
    outcome = played.outcome
    code = outcome.code if isinstance(outcome, Refuse) else None
    ending = Ending.ADMITTED if outcome is None else Ending.REFUSED
    reason = "" if outcome is None else outcome.reason
    recent.note(played.exchange, a_verdict(ending, code, reason, played.step, played.status))


def a_verdict(
    ending: Ending, code: RefusalCode | None, reason: str = "", step: str = "", status: int = 0
) -> Verdict:
    return Verdict(ending, status, code, reason, step, 0.0, None, 0, 0, False)  # noqa: FBT003 -- no upgrade


def told(asked: Asked, section: Explain | None = None) -> Mapping[str, object] | None:
    generation = a_generation()
    recent = Recent(section or Explain(), era(generation))
    noted(recent, generation, asked)
    return recent.explained("own-id-1")


def test_a_refusal_is_told_with_what_passed_before_it() -> None:
    found = told(asking("/admin?x=1", fields={"Host": "a.example"}, principal=VIEWER))
    assert found is not None
    assert (found["outcome"], found["status"], found["code"]) == ("refused", 403, "FORBIDDEN")
    assert (found["step"], found["reason"]) == ("authorize", "role below admin")
    assert (found["key"], found["key_path"]) == ("routes[2].role", ["routes", 2, "role"])
    assert (found["method"], found["host"], found["path"]) == ("GET", "a.example", "/admin")
    passed, rest = found["passed"], found["not_reached"]
    assert isinstance(passed, list)
    assert isinstance(rest, list)
    assert passed[:3] == ["client_address", "request_id", "path"]
    assert passed[-1] == "tenant"
    assert rest[0] == "domain_lock"
    assert rest[-1] == "forward"
    facts = found["facts"]
    assert isinstance(facts, dict)
    assert (facts["client"], facts["roles"], facts["route"]) == ("127.0.0.1", ["viewer"], "/admin")
    assert found["charges"] == [{"limit": "address", "outcome": "admitted", "most": 5, "left": 4}]


@pytest.mark.parametrize(
    ("target", "step", "last_passed", "next_step"),
    [
        ("/a//b", "path", "request_id", "address_limit"),
        ("/files/a%2Fb", "path", "route", "declared_body"),
        ("/nowhere", "route", "address_limit", "path"),
    ],
)
def test_of_two_steps_with_one_name_the_one_that_refused_is_told(
    target: str, step: str, last_passed: str, next_step: str
) -> None:
    found = told(asking(target))
    assert found is not None
    assert found["step"] == step
    assert isinstance(found["passed"], list)
    assert isinstance(found["not_reached"], list)
    assert (found["passed"][-1], found["not_reached"][:1]) in (
        (last_passed, [next_step]),
        (last_passed, []),
    )


def test_what_could_not_be_read_has_passed_nothing() -> None:
    recent = Recent(Explain(), era(a_generation()))
    exchange = an_unread_exchange()
    recent.note(exchange, a_verdict(Ending.REFUSED, RefusalCode.BAD_REQUEST, "no", "framing", 400))
    found = recent.explained(exchange.own_id.decode())
    assert found is not None
    assert (found["passed"], found["method"], found["path"], found["host"]) == (
        [], None, None, None,
    )  # fmt: skip


def test_what_the_upstream_failed_at_has_passed_all_steps() -> None:
    generation = a_generation()
    recent = Recent(Explain(), era(generation))
    played = asyncio.run(Stage(generation, Careful(), lambda: b"own-id-1").play(asking("/open")))
    verdict = a_verdict(Ending.FAILED, RefusalCode.BAD_GATEWAY, "cut short", "upstream", 502)
    recent.note(played.exchange, verdict)
    found = recent.explained("own-id-1")
    assert found is not None
    assert found["not_reached"] == []
    assert isinstance(found["passed"], list)
    assert found["passed"][-1] == "forward"


def test_what_was_admitted_is_kept_where_all_are() -> None:
    assert told(asking("/open")) is None
    found = told(asking("/open"), Explain(requests="all"))
    assert found is not None
    assert (found["outcome"], found["reason"]) == ("admitted", None)


def test_what_shadow_mode_let_pass_is_kept() -> None:
    found = told(asking("/soft", principal=VIEWER))
    assert found is not None
    assert found["would_refuse"] == [{"code": "FORBIDDEN", "reason": "role below admin"}]


def test_the_oldest_is_forgotten() -> None:
    generation = a_generation()
    recent = Recent(Explain(last=2), era(generation))
    for at in range(4):
        noted(recent, generation, asking("/nowhere"), f"own-id-{at}")
    assert len(recent) == 2
    assert recent.explained("own-id-1") is None
    assert recent.explained("own-id-3") is not None


def a_secret_request() -> Asked:
    fields = {
        "Authorization": f"Bearer {CANARY}",
        "Cookie": f"s={CANARY}",
        "X-Other": CANARY,
        "User-Agent": CANARY,
    }
    return asking(f"/admin?k={CANARY}", "POST", fields, body=CANARY.encode(), principal=VIEWER)


def reached(root: object) -> list[object]:
    """Collect everything that an object keeps alive, but modules, types and functions."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in found or isinstance(one, type) or callable(one):
            continue
        found[id(one)] = one
        waiting += gc.get_referents(one)
    return list(found.values())


def test_nothing_that_a_client_sent_in_confidence_is_told_or_even_kept() -> None:
    generation = a_generation()
    recent = Recent(Explain(), era(generation))
    noted(recent, generation, a_secret_request())
    assert CANARY not in json.dumps(recent.explained("own-id-1"))
    # A prover remembers the credential of its last request, whoever else looks at it.
    shared = {id(one) for one in reached(generation)}
    own = [one for one in reached(recent) if id(one) not in shared]
    kept = [one for one in own if isinstance(one, bytes | str)]
    assert kept
    assert not [one for one in kept if CANARY in repr(one)]


def test_a_thousand_kept_decisions_hold_no_head_and_no_body() -> None:
    generation = a_generation()
    recent = Recent(Explain(last=1000), era(generation))
    asked = replace(asking("/nowhere/" + "a" * 6000), fields=(("X-Large", "b" * 20_000),))
    stage = Stage(generation, Careful(), lambda: b"own-id-1")
    made = [asyncio.run(stage.play(asked)).exchange for _ in range(50)]
    verdict = a_verdict(Ending.REFUSED, RefusalCode.NOT_FOUND, "no route", "route", 404)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for exchange in made:
            recent.note(exchange, verdict)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # A path of 1 KiB is cut from a longer one; all else is a few hundred bytes.
    assert grown / len(made) < 2500
    kept = reached(recent)
    assert not [one for one in kept if isinstance(one, Exchange)]
    assert max(len(one) for one in kept if isinstance(one, bytes)) <= 1024


# --- whose decisions are forgotten


def kept(share: int, now: float) -> Kept:
    exchange = an_unread_exchange()
    verdict = a_verdict(Ending.REFUSED, RefusalCode.BAD_REQUEST, "no", "framing", 400)
    made = Kept(exchange, verdict)
    made.share, made.now = share, now
    return made


def flooded(ring: Ring, shares: range, decisions: int = 300) -> None:
    for at in range(decisions):
        ring.add(kept(shares[at % len(shares)], 100.0 + at))


def left(ring: Ring, share: int) -> list[float]:
    return [one.now for one in ring.ordered() if one.share == share]


KNOWN, STRANGERS = range(SHARES), range(SHARES, 2 * SHARES)


def a_ring(share: int, decisions: int) -> Ring:
    ring = Ring(20)
    for now in range(decisions):
        ring.add(kept(share, float(now)))
    return ring


@pytest.mark.parametrize(
    ("share", "others", "expected"),
    [
        pytest.param(0, STRANGERS, 10, id="a tenant, and strangers from everywhere"),
        pytest.param(0, KNOWN[1:2], 10, id="a tenant, and another"),
        pytest.param(SHARES, STRANGERS[1:2], 10, id="a stranger, and another"),
        pytest.param(SHARES, KNOWN, 10, id="a stranger, and all tenants"),
        pytest.param(0, KNOWN[1:4], 5, id="a tenant, and three others"),
        pytest.param(0, KNOWN[:1], 0, id="a tenant, and nobody else"),
    ],
)
def test_nobody_has_more_forgotten_than_the_share_of_others(
    share: int, others: range, expected: int
) -> None:
    ring = a_ring(share, 10)
    flooded(ring, others)
    assert len(ring) == 20
    found = [now for now in left(ring, share) if now < 100]
    assert found == [float(now) for now in range(10 - expected, 10)]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_last_decision_is_kept_however_few_are(most: int) -> None:
    ring = Ring(most)
    for at, share in enumerate([0, SHARES, 1, 0, SHARES + 1, SHARES, 2, SHARES + 2] * 3):
        ring.add(kept(share, float(at)))
        assert ring.ordered()[-1].now == at
        assert len(ring) == min(most, at + 1)


def test_what_is_put_before_goes_where_there_is_no_room() -> None:
    ring = a_ring(0, 15)
    older = [Told(kept(SHARES, now - 100.0), {}) for now in range(30)]
    ring.put_before(older)
    assert [len(left(ring, share)) for share in (0, SHARES)] == [10, 10]
    assert left(ring, SHARES)[-1] == -71.0


def test_a_caller_who_is_known_is_counted_to_the_tenant_and_nobody_else_is() -> None:
    generation = a_generation()
    recent = Recent(Explain(last=3), era(generation))
    noted(recent, generation, asking("/admin", principal=VIEWER), "own-id-0")
    for at in range(1, 9):
        noted(recent, generation, asking("/nowhere"), f"own-id-{at}")
    found = [recent.explained(f"own-id-{at}") is not None for at in range(9)]
    assert found == [True, *[False] * 6, True, True]


# --- another policy


OTHER = a_text("routes:\n  - {path: /open, public: true}\n  - {path: /admin, role: viewer}\n")


def another() -> Generation:
    policy = OTHER.loaded.policy
    return build(policy, assumed(policy, lambda: NOW))


def renewed(recent: Recent, section: Explain | None = None, sha256: str = "other") -> Recent:
    """Put another policy in force, as the worker does."""
    made = Recent(section or Explain(), Era(another(), sha256, NOW + 1), recent)
    made.put_before(recent.told())
    return made


def key_of(recent: Recent, request_id: str = "own-id-1") -> tuple[object, object, object]:
    found = recent.explained(request_id)
    assert found is not None
    return found["policy"], found["key"], found["reason"]


RULED = ("first", "routes[2].role", "role below admin")


def test_a_decision_is_explained_by_the_policy_that_made_it_which_is_kept_by_nobody() -> None:
    generation = a_generation()
    recent = Recent(Explain(), era(generation))
    noted(recent, generation, asking("/admin", principal=VIEWER))
    before = recent.explained("own-id-1")
    after = renewed(recent)
    assert after.explained("own-id-1") == before
    assert key_of(renewed(renewed(after))) == RULED
    gone = weakref.ref(generation)
    del generation, recent
    gc.collect()
    assert gone() is None
    assert key_of(after) == RULED


def test_until_they_are_written_out_the_one_before_tells_them() -> None:
    generation = a_generation()
    recent = Recent(Explain(), era(generation))
    noted(recent, generation, asking("/admin", principal=VIEWER))
    after = Recent(Explain(), Era(another(), "other", NOW + 1), recent)
    assert key_of(after) == RULED
    assert after.explained("own-id-2") is None


def test_as_many_are_kept_as_the_policy_in_force_says_the_newest_of_all() -> None:
    generation, other = a_generation(), another()
    recent = Recent(Explain(), era(generation))
    for at in range(4):
        noted(recent, generation, asking("/nowhere"), f"own-id-{at}")
    after = Recent(Explain(last=3), Era(other, "other", NOW - 1), recent)
    noted(after, other, asking("/nowhere"), "own-id-4")
    after.put_before(recent.told())
    assert len(after) == 3
    assert after.explained("own-id-1") is None
    assert [key_of(after, f"own-id-{at}")[0] for at in (2, 3, 4)] == ["first", "first", "other"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/admin", RULED), ("/a//b", ("first", None, "empty path segment (//)"))],
)
def test_what_ends_on_the_policy_before_is_explained_by_that(
    target: str, expected: tuple[object, ...]
) -> None:
    generation = a_generation()
    recent = Recent(Explain(), era(generation))
    after = renewed(recent)
    noted(after, generation, asking(target, principal=VIEWER))
    assert key_of(after) == expected


def test_what_ends_on_a_policy_that_is_gone_says_so_and_names_no_key() -> None:
    generation = a_generation()
    # Nobody has ever told this one of that policy.
    after = renewed(Recent(Explain(), era(another())))
    noted(after, generation, asking("/admin", principal=VIEWER))
    found = after.explained("own-id-1")
    assert found is not None
    assert (found["policy"], found["key"], found["reason"]) == (None, None, "role below admin")
    assert (found["step"], found["status"]) == ("authorize", 403)


def test_a_written_explanation_takes_as_little_as_a_kept_one() -> None:
    generation = a_generation()
    recent = Recent(Explain(last=200), era(generation))
    for at in range(200):
        noted(recent, generation, asking("/admin/" + "a" * 40, principal=VIEWER), f"own-id-{at}")
    told = recent.told()
    assert sum(sys.getsizeof(one.document) for one in told) / len(told) < 2500
