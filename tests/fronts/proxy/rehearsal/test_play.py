"""A request that nobody sent is read, decided and answered as one that came."""

import asyncio
import json

import pytest

from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import NotKnownError
from sidecar.fronts.proxy.rehearsal.report import document, lines
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeySet, TenantId
from sidecar.model.outcome import Refuse
from sidecar.model.ports import UNKNOWN
from sidecar.model.questions import (
    AdmitDomain,
    FindCredential,
    FindKey,
    FindKeySet,
    FindTenant,
    Introspect,
    ReadBody,
)
from sidecar.model.refusals import RefusalCode
from tests.fronts.proxy.rehearsal.rehearsing import (
    NOW,
    a_caller,
    a_text,
    an_explainer,
    asking,
    explained,
    played,
)

PUBLIC = "routes: [{path: /**, public: true}]"
KEYED = "routes: [{path: /**, role: viewer}]"
VIEWER = a_caller("acme", "viewer")
CANARY = "c4n4ry"


class Silent:
    """A store that does not answer."""

    async def find(self, question: object) -> object:
        raise StoreUnavailableError(f"no answer to {type(question).__name__}")

    def find_soon(self, question: object, then: object) -> bool:
        raise AssertionError((question, then))


def test_what_is_admitted_shows_what_the_upstream_would_get() -> None:
    asked = asking(
        f"/x?token={CANARY}",
        fields={"X-User-Id": "forged", "X-API-Key": f"sk_{CANARY}", "Accept": "text/plain"},
        principal=VIEWER,
    )
    explanation = explained(a_text(KEYED), asked)
    found = document(explanation)
    assert (found["outcome"], found["status"], found["step"]) == ("admitted", None, None)
    upstream = found["upstream"]
    assert isinstance(upstream, dict)
    assert upstream["target"] == "/x?token=…"
    assert upstream["added"]["X-User-Id"] == "ada"
    assert upstream["added"]["X-Tenant-Id"] == "acme"
    assert sorted(upstream["removed"]) == ["X-API-Key", "X-User-Id"]
    assert "Accept" in upstream["passed"]
    written = "\n".join(lines(explanation))
    assert "removes X-User-Id" in written
    assert "admitted: GET /x?token=… to http://127.0.0.1:3000" in written


@pytest.mark.parametrize("target", ["/x", "/x//y"])
def test_an_explanation_holds_no_credential_no_query_value_and_no_body(target: str) -> None:
    asked = asking(
        f"{target}?a={CANARY}",
        "POST",
        {
            "Authorization": f"Bearer {CANARY}",
            "Cookie": f"s={CANARY}",
            "X-API-Key": f"sk_{CANARY}",
            "X-Own": CANARY,
            "Content-Type": "application/json",
        },
        body=json.dumps({"secret": CANARY}).encode(),
    )
    text = a_text("routes: [{path: /**, role: viewer, forbid: {json: [db]}}]")
    for principal in (None, VIEWER):
        object.__setattr__(asked, "principal", principal)
        explanation = explained(text, asked)
        assert CANARY not in json.dumps(document(explanation))
        assert CANARY not in "\n".join(lines(explanation))


def test_a_preflight_is_answered_here() -> None:
    text = a_text("cors: {origins: ['https://a.example']}\n" + PUBLIC)
    fields = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    explanation = explained(text, asking("/", "OPTIONS", fields))
    assert explanation.played.word == "answer"
    assert document(explanation)["status"] == 204
    assert "answered: 204 by preflight" in "\n".join(lines(explanation))


def test_shadow_mode_shows_what_would_be_refused() -> None:
    explanation = explained(a_text("mode: shadow\n" + KEYED), asking("/", fields={"X-A": "1"}))
    assert explanation.played.word == "admit"
    steps = {step["step"]: step for step in _steps(explanation)}
    assert steps["authenticate"]["said"] == "shadowed"
    assert "~~ authenticate" in "\n".join(lines(explanation))


def _steps(explanation: object) -> list[dict[str, object]]:
    steps = document(explanation)["steps"]  # type: ignore[arg-type]  # an explanation
    assert isinstance(steps, list)
    return steps


def test_what_is_not_known_is_said_and_nothing_is_assumed() -> None:
    key = "sk_0123456789ABCDEFGHJKMNPQRS"
    explanation = explained(a_text(KEYED), asking("/", fields={"X-API-Key": key}))
    assert explanation.played.word == "unknown"
    assert explanation.played.unknown == "whose the API key is: no store is asked"
    assert document(explanation)["unknown"]
    written = "\n".join(lines(explanation))
    assert "?? authenticate" in written
    assert "unknown: authenticate must know whose the API key is" in written
    assert key not in written


def test_a_store_that_does_not_answer_refuses() -> None:
    key = "sk_0123456789ABCDEFGHJKMNPQRS"
    asked = asking("/", fields={"X-API-Key": key})
    found = played(a_text(KEYED), asked, Careful(Silent()))
    assert (found.word, found.status, found.step) == ("refuse", 503, "authenticate")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (asking("/", fields={"Host": "a b"}), RefusalCode.BAD_REQUEST),
        (asking("/", "TRACE"), RefusalCode.NOT_IMPLEMENTED),
        (asking("/", "POST", {"Content-Length": "9"}, body=b"short"), RefusalCode.REQUEST_TIMEOUT),
        (asking("/" + "a" * 9000), RefusalCode.URI_TOO_LONG),
    ],
)
def test_framing_is_judged_as_on_a_connection(asked: Asked, code: RefusalCode) -> None:
    found = played(a_text(PUBLIC), asked)
    assert isinstance(found.outcome, Refuse)
    assert (found.outcome.code, found.step) == (code, "framing")


def test_a_large_body_in_shadow_mode_is_only_recorded() -> None:
    text = a_text("mode: shadow\nbody: {max: 10B}\n" + PUBLIC)
    asked = asking("/", "POST", {"Transfer-Encoding": "chunked"}, body=b"x" * 20)
    found = played(text, asked)
    assert found.word == "admit"
    assert [one.code for one in found.exchange.shadow] == [RefusalCode.PAYLOAD_TOO_LARGE]


def test_a_large_body_that_rules_read_is_refused_before_they_read_it() -> None:
    text = a_text("routes: [{path: /**, public: true, body: {max: 10B, items: 9}}]")
    fields = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    found = played(text, asking("/", "POST", fields, body=b"[" + b"1," * 20 + b"1]"))
    assert (found.word, found.step, found.status) == ("refuse", "declared_body", 413)


def test_a_body_too_large_to_be_judged_at_once_is_judged_all_the_same() -> None:
    text = a_text("routes: [{path: /**, public: true, forbid: {json: [db]}}]")
    fields = {"Content-Type": "application/json"}
    body = json.dumps({"a": "x" * 40_000, "db": 1}).encode()
    found = played(text, asking("/", "POST", fields, body=body))
    assert (found.word, found.step) == ("refuse", "body_rules")


def test_a_limit_counts_in_a_process_of_its_own() -> None:
    text = a_text("limits: {address: {limit: 2/min}}\n" + PUBLIC)
    stage = an_explainer(text).stage(text.loaded.policy)

    async def thrice() -> list[str]:
        return [(await stage.play(asking("/"))).word for _ in range(3)]

    assert asyncio.run(thrice()) == ["admit", "admit", "refuse"]
    explanation = explained(text, asking("/"))
    assert explanation.played.charges[0]["left"] == 1
    assert any("what callers have used is not" in note for note in _notes(explanation))


def _notes(explanation: object) -> list[str]:
    notes = document(explanation)["notes"]  # type: ignore[arg-type]  # an explanation
    assert isinstance(notes, list)
    return notes


def test_a_used_up_limit_says_how_long_to_wait() -> None:
    text = a_text("limits: {address: {limit: 1/min}}\n" + PUBLIC)
    explainer = an_explainer(text)
    stage = explainer.stage(text.loaded.policy)

    async def twice() -> object:
        await stage.play(asking("/"))
        return await explainer.explain(await stage.play(asking("/")))

    explanation = asyncio.run(twice())
    mends = document(explanation)["mends"]  # type: ignore[arg-type]  # an explanation
    assert isinstance(mends, list)
    assert mends[0]["mend"] == "wait 60 s, or raise the limit at limits.address"
    assert mends[0]["tried"] is None


def test_a_line_break_makes_it_more_than_one_request() -> None:
    assert asking("/").is_one_request
    assert not asking("/ HTTP/1.1\r\nX: y").is_one_request
    assert not asking("/", fields={"A": "b\nc"}).is_one_request


def test_fields_are_set_and_left_out() -> None:
    asked = asking("/", fields={"A": "1"}).with_field("a", "2").with_field("B", "3")
    assert asked.fields == (("a", "2"), ("B", "3"))
    assert asked.without_field("b").fields == (("a", "2"),)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (FindKey(()), "whose the API key is"),
        (FindTenant(TenantId("acme")), "the tenant acme"),
        (FindKeySet("https://a.example", "k"), "the key set of https://a.example"),
        (Introspect(b"t"), "the provider"),
        (FindCredential(TenantId("acme"), "up"), "the secret up of acme"),
        (FindCredential(TenantId("acme"), "up", "a webhook"), "not unsealed"),
    ],
)
def test_a_question_without_anybody_to_ask_is_not_known(question: object, words: str) -> None:
    with pytest.raises(NotKnownError, match=words):
        asyncio.run(Careful().find(question))  # type: ignore[arg-type]  # a question


def test_a_key_set_that_was_given_is_used() -> None:
    keys = KeySet("https://a.example", (), NOW)
    careful = Careful(key_sets={keys.issuer: keys})
    assert asyncio.run(careful.find(FindKeySet(keys.issuer, "k"))) is keys


def test_an_unregistered_domain_is_not_counted_but_noted() -> None:
    careful = Careful()
    question = AdmitDomain(TenantId("acme"), "web", "x.example", 3)
    assert asyncio.run(careful.find(question)) is True
    assert "x.example would be counted" in careful.notes[0]


def test_what_only_a_connection_can_answer_is_answered_by_nobody_else() -> None:
    with pytest.raises(StoreUnavailableError):
        asyncio.run(Careful().find(ReadBody(None)))
    assert not Careful().find_soon(FindKey(()), print)


def test_nobody_is_blocked_and_nothing_revoked_where_nobody_is_asked() -> None:
    known = assumed(a_text(PUBLIC).loaded.policy, lambda: NOW)
    assert known.blocks.is_current()
    assert known.blocks.address("a", NOW) is None
    assert known.blocks.key("a", NOW) is None
    assert known.blocks.tenant("a", NOW) is None
    assert known.revocations.is_current()
    assert not known.revocations.is_revoked("i", {}, None)
    assert known.tenants.at_hand(TenantId("acme")) is UNKNOWN
    all_known = assumed(a_text(PUBLIC).loaded.policy, lambda: NOW, knows_all_tenants=True)
    assert all_known.tenants.at_hand(TenantId("acme")) is None
