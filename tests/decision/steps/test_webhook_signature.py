"""Deliveries are admitted if their sender signed them, in time, once, and for a tenant served."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from sidecar.decision.webhooks import webhook_signature
from sidecar.model.body import Collected
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord, TenantStatus
from sidecar.model.limits import Charge, Count
from sidecar.model.outcome import PASS, Ask, Refuse
from sidecar.model.ports import UNKNOWN, AtHand, Unsure
from sidecar.model.questions import FindCredential, FindTenant, Question, ReadBody, TakeLimits
from sidecar.model.refusals import RefusalCode
from sidecar.model.secret import Secret
from tests.builders import a_head, a_policy, a_tenant, an_exchange
from tests.decision.steps.known import KnownTenants

pytestmark = pytest.mark.control("RQ-8")

KEY = "a key of sixteen bytes or more"
OLD = "the key before it, as long"
BODY = b'{"event": "paid"}'
NOW = 1_700_000_000.0


@dataclass
class Secrets:
    """Secrets of tenants; of others nothing is known."""

    own: dict[tuple[str, str], Secret | None] = field(default_factory=dict)

    def at_hand(self, tenant: str, name: str) -> Secret | Unsure | None:
        return self.own.get((tenant, name), UNKNOWN)


@dataclass
class Limits:
    """A memory of deliveries, or none at hand."""

    is_at_hand: bool = True
    is_doubted: bool = False
    seen: list[bytes] = field(default_factory=list)

    def at_hand(self, charges: tuple[Charge, ...]) -> tuple[Count, ...] | Unsure:
        return self.take(charges) if self.is_at_hand else UNKNOWN

    def take(self, charges: tuple[Charge, ...]) -> tuple[Count, ...]:
        [charge] = charges
        is_new = charge.caller not in self.seen
        self.seen.append(charge.caller)
        return (Count(is_new and not self.is_doubted, 0, 0, None, self.is_doubted),)


@dataclass
class World:
    """All that deliveries are judged by."""

    tenants: KnownTenants = field(default_factory=lambda: KnownTenants(a_tenant("acme")))
    secrets: Secrets = field(
        default_factory=lambda: Secrets({("acme", "hook"): Secret(f"{KEY}\n{OLD}\n".encode())})
    )
    limits: Limits = field(default_factory=Limits)
    answers: dict[type[Question], object] = field(default_factory=dict)
    whole_at: float = NOW

    def judge(self, exchange: Exchange, keys: Mapping[str, object], body: bytes = BODY) -> object:
        """Run the step as the front does, the body in two pieces."""
        route = {"path": "/hooks/{tenant}", "public": True, "webhook": keys}
        policy = a_policy(route, secrets={"master_key": "7f" * 32})
        at_hand = AtHand(tenants=self.tenants, secrets=self.secrets, limits=self.limits)
        step = webhook_signature(policy, policy.routes[0], at_hand)
        assert step is not None
        outcome = step.decide(exchange)
        while isinstance(outcome, Ask):
            question = outcome.question
            outcome = step.resume(exchange, question, self._answer(question, body))
        return outcome

    def _answer(self, question: object, body: bytes) -> object:
        if isinstance(question, ReadBody):
            given = self.answers.get(ReadBody)
            if given is not None:
                return given
            assert question.watch is not None
            for piece in (body[:5], body[5:]):
                assert question.watch.objection(piece) is None
            return Collected(len(body), None, at=self.whole_at)
        if isinstance(question, TakeLimits):
            return self.limits.take(question.charges)
        return self.answers[type(question)]  # type: ignore[index]  # the others are named


def delivered(
    *lines: bytes, path: str = "/hooks/acme", now: float = NOW, key: str = KEY, at: float = NOW
) -> Exchange:
    signed = b"%d." % int(at) + BODY
    digest = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest().encode()
    own = lines or (b"Stripe-Signature: t=%d,v1=%b" % (int(at), digest),)
    exchange = an_exchange(a_head(b"POST", path.encode(), *own))
    exchange.now = now
    exchange.segments = tuple(path[1:].split("/"))
    return exchange


STRIPE: Mapping[str, object] = {"scheme": "stripe", "secret": KEY}
OWNED: Mapping[str, object] = {"scheme": "stripe", "tenant_secret": "hook"}


def refused(reason: str) -> Refuse:
    lines = (b'WWW-Authenticate: Bearer realm="sidecar"',)
    return Refuse(RefusalCode.UNAUTHORIZED, reason, lines, has_floor=True)


def test_a_signed_delivery_passes() -> None:
    assert World().judge(delivered(), STRIPE) is PASS


@pytest.mark.parametrize(
    ("exchange", "body", "reason"),
    [
        pytest.param(delivered(b"X: y"), BODY, "webhook without its signature, or with two",
                     id="nothing is signed"),
        pytest.param(delivered(key="another key, long enough"), BODY,
                     "webhook with a wrong signature", id="by somebody else"),
        pytest.param(delivered(), BODY + b" ", "webhook with a wrong signature",
                     id="something was added"),
        pytest.param(delivered(), b"", "webhook with a wrong signature", id="nothing is sent"),
        pytest.param(delivered(at=NOW - 301), BODY, "webhook whose time is too far from ours",
                     id="too late"),
        pytest.param(delivered(at=NOW + 302), BODY, "webhook whose time is too far from ours",
                     id="too early"),
    ],
)  # fmt: skip
def test_what_is_not_signed_in_time_is_refused(
    exchange: Exchange, body: bytes, reason: str
) -> None:
    assert World().judge(exchange, STRIPE, body) == refused(reason)


def test_a_tolerance_is_the_policys() -> None:
    for at, tolerance, expected in ((NOW - 299, "5m", True), (NOW - 11, "10s", False)):
        found = World().judge(delivered(at=at), {**STRIPE, "tolerance": tolerance})
        assert (found is PASS) == expected


@pytest.mark.parametrize("is_at_hand", [True, False])
def test_a_delivery_is_admitted_once(*, is_at_hand: bool) -> None:
    world = World(limits=Limits(is_at_hand))
    assert world.judge(delivered(), STRIPE) is PASS
    assert world.judge(delivered(), STRIPE) == refused("webhook that came before")
    assert world.judge(delivered(at=NOW + 1), STRIPE) is PASS
    assert world.judge(delivered(), {**STRIPE, "replay": "allow"}) is PASS


def test_a_memory_that_may_have_lost_deliveries_admits_none() -> None:
    outcome = World(limits=Limits(is_doubted=True)).judge(delivered(), STRIPE)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.STORE_UNAVAILABLE


def test_a_delivery_is_in_time_when_it_is_whole() -> None:
    world = World(whole_at=NOW + 301)
    exchange = delivered()
    assert world.judge(exchange, STRIPE) == refused("webhook whose time is too far from ours")
    assert world.limits.seen == []


def test_a_delivery_that_is_wrong_is_not_remembered() -> None:
    world = World()
    world.judge(delivered(key="another key, long enough"), STRIPE)
    assert world.limits.seen == []


# --- tenants


def test_the_tenant_of_the_path_is_told_once_its_secret_has_signed() -> None:
    for key in (KEY, OLD):
        exchange = delivered(key=key)
        assert World().judge(exchange, OWNED) is PASS
        assert exchange.identity_lines == [b"X-Tenant-Id: acme"]
        assert exchange.tenant is not None
    exchange = delivered(key="another key, long enough")
    assert World().judge(exchange, OWNED) == refused("webhook with a wrong signature")
    assert (exchange.identity_lines, exchange.tenant) == ([], None)


def test_tenant_and_secret_are_asked_for() -> None:
    asked: dict[type[Question], object] = {
        FindTenant: a_tenant("globex"),
        FindCredential: Secret(KEY.encode()),
    }
    exchange = delivered(path="/hooks/globex")
    assert World(answers=asked).judge(exchange, OWNED) is PASS
    assert exchange.identity_lines == [b"X-Tenant-Id: globex"]


@pytest.mark.parametrize(
    ("path", "answers", "reason"),
    [
        pytest.param("/hooks/no%20id", {}, "the tenant's id is malformed", id="no id"),
        pytest.param("/hooks/gone", {FindTenant: None}, "webhook for an unknown tenant",
                     id="unknown"),
        pytest.param("/hooks/globex", {FindTenant: "?"}, "webhook for an unknown tenant",
                     id="another answer"),
        pytest.param(
            "/hooks/globex",
            {FindTenant: replace(TenantRecord(TenantId("globex")), status=TenantStatus.SUSPENDED)},
            "webhook for a suspended tenant", id="suspended"),
        pytest.param(
            "/hooks/globex", {FindTenant: a_tenant("globex"), FindCredential: None},
            "webhook for a tenant without a secret", id="no secret"),
    ],
)  # fmt: skip
def test_a_tenant_that_cannot_have_signed_is_refused(
    path: str, answers: dict[type[Question], object], reason: str
) -> None:
    exchange = delivered(path=path)
    assert World(answers=answers).judge(exchange, OWNED) == refused(reason)
    assert exchange.tenant is None


def test_a_secret_that_is_none_admits_nobody() -> None:
    world = World(secrets=Secrets({("acme", "hook"): Secret(b"short\n\n")}))
    outcome = world.judge(delivered(), OWNED)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.STORE_UNAVAILABLE


def test_a_body_that_could_not_be_kept_refuses() -> None:
    no_room = Refuse(RefusalCode.OVERLOADED, "no room")
    assert World(answers={ReadBody: no_room}).judge(delivered(), STRIPE) is no_room


def test_without_a_field_for_the_tenant_none_is_told() -> None:
    route = {"path": "/hooks/{tenant}", "public": True, "webhook": OWNED}
    policy = a_policy(route, secrets={"master_key": "7f" * 32}, identity_headers={"tenant": None})
    world = World()
    at_hand = AtHand(tenants=world.tenants, secrets=world.secrets, limits=world.limits)
    step = webhook_signature(policy, policy.routes[0], at_hand)
    assert step is not None
    exchange = delivered()
    asked = step.decide(exchange)
    assert isinstance(asked, Ask)
    assert isinstance(asked.question, ReadBody)
    assert asked.question.watch is not None
    asked.question.watch.objection(BODY)
    assert step.resume(exchange, asked.question, Collected(len(BODY), BODY, at=NOW)) is PASS
    assert exchange.identity_lines == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ReadBody(None), Collected(0, b"")),
        (ReadBody(None), "no body"),
        (FindTenant(TenantId("acme")), None),
    ],
)
def test_what_was_not_asked_is_a_mistake_of_ours(question: Question, answer: object) -> None:
    policy = a_policy({"path": "/hook", "public": True, "webhook": STRIPE})
    step = webhook_signature(policy, policy.routes[0], AtHand())
    assert step is not None
    with pytest.raises(TypeError):
        step.resume(delivered(path="/hook"), question, answer)


def other_schemes() -> Sequence[tuple[dict[str, object], tuple[bytes, ...]]]:
    digest = hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest().encode()
    own: dict[str, object] = {"scheme": "hmac", "hmac": {"header": "X-Shop", "prefix": "v="}}
    return [
        ({"scheme": "github"}, (b"X-Hub-Signature-256: sha256=" + digest,)),
        (own, (b"X-Shop: v=" + digest,)),
    ]


@pytest.mark.parametrize(("keys", "lines"), other_schemes())
def test_schemes_without_a_time_are_remembered_for_a_day(
    keys: dict[str, object], lines: tuple[bytes, ...]
) -> None:
    world = World()
    for expected in (True, False):
        found = world.judge(delivered(*lines, now=NOW + 3600), {**keys, "secret": KEY})
        assert (found is PASS) == expected
