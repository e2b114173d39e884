"""Rules judge a body that was received whole, and refuse it before the upstream could see it."""

import dataclasses
import gzip
import json
import pickle
from collections.abc import Mapping

import pytest

from sidecar.decision.bodies import body_rules, reading_of
from sidecar.decision.steps.body_rules import INLINE_BYTES, BodyRules
from sidecar.knowledge.validate.reading import Judge
from sidecar.model.body import About, Coding, Collected, Fault, Finding, Form
from sidecar.model.exchange import Exchange
from sidecar.model.identity import ProjectRecord
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import JudgeBody, ReadBody
from sidecar.model.refusals import RefusalCode
from tests.builders import a_principal, a_tenant, an_unread_exchange
from tests.decision.steps.known import a_guarded_policy, a_request_of

ACME = a_tenant(projects={"web": ProjectRecord(), "app": ProjectRecord()})
JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
PARTS = b"multipart/form-data; boundary=B"
Keys = Mapping[str, object]


def a_step(keys: Keys, mismatch: int = 403) -> BodyRules:
    policy = a_guarded_policy("/**", {"tenant_mismatch": mismatch}, **keys)
    step = body_rules(policy, policy.routes[0], lambda _, make: make())
    assert isinstance(step, BodyRules)
    return step


def a_request(
    *lines: bytes,
    method: bytes = b"POST",
    length: int = CHUNKED,
    project: str | None = None,
    tenant: bool = True,
) -> Exchange:
    exchange = a_request_of(a_principal("acme", project=project), "/x", *lines, method=method)
    assert exchange.head is not None
    exchange.head = dataclasses.replace(exchange.head, length=length)
    exchange.tenant = ACME if tenant else None
    return exchange


def judged(
    step: BodyRules, content: bytes, kind: bytes = JSON, *more: bytes, **facts: object
) -> Outcome:
    exchange = a_request(b"Content-Type: " + kind, *more, **facts)  # type: ignore[arg-type]  # facts by name
    asked = step.decide(exchange)
    if not isinstance(asked, Ask):
        return asked
    outcome = step.resume(exchange, asked.question, Collected(len(content), content))
    if isinstance(outcome, Ask):
        question = outcome.question
        assert isinstance(question, JudgeBody)
        # As another process has it.
        packed = pickle.dumps((question.rules, question.about))
        reading, about = pickle.loads(packed)  # noqa: S301 -- our own bytes
        found = Judge(reading).judge(question.body.content or b"", about)
        outcome = step.resume(exchange, question, found)
    assert not isinstance(outcome, Ask)
    return outcome


def said(outcome: Outcome) -> tuple[RefusalCode, str] | None:
    return (outcome.code, outcome.reason) if isinstance(outcome, Refuse) else None


BAD, FORBIDDEN = RefusalCode.BAD_REQUEST, RefusalCode.FORBIDDEN
LARGE, UNFIT = RefusalCode.PAYLOAD_TOO_LARGE, RefusalCode.UNPROCESSABLE
UNREAD = RefusalCode.UNSUPPORTED_MEDIA_TYPE
STRANGER = (FORBIDDEN, "the body names a tenant that is not the caller's")
OTHER_PROJECT = (FORBIDDEN, "the body names a project that is not the caller's")
NAMELESS = (UNFIT, "the body names no tenant where it must")
OUTSIDE = (FORBIDDEN, "a storage key is outside the tenant's prefix")
NO_TYPE = (UNREAD, "the rules of the route cannot read a body of this type")

RESPELT = (BAD, "a field about the body in another spelling")

BIND: Keys = {"bind": {"json": {"/tenant_id": "tenant"}}}
OPTIONAL: Keys = {"bind": {"json": {"/a/*/id": "tenant"}, "optional": ["/a/*/id"]}}
PROJECT: Keys = {"bind": {"json": {"/p": "project"}}}
FORBID: Keys = {"forbid": {"json": ["db_id", "__proto__", "/query/raw"]}}
KEYS: Keys = {"storage_keys": {"json": ["/files/*/key"]}}
ITEMS: Keys = {"body": {"items": 2}}
NAMED_ITEMS: Keys = {"body": {"items": {"at": "/items", "max": 2}}}
SCHEMA: Keys = {"body": {"schema": {"type": "object", "required": ["id"]}}}
FREE: Keys = {"body": {"schema": {"type": "object"}, "required": False}}
FREE_BUT_BOUND: Keys = {**FREE, **BIND}
STRICT: Keys = {"body": {"json": {"depth": 2, "string": 5}}}

OF_JSON: list[tuple[Keys, bytes, tuple[RefusalCode, str] | None]] = [
    (BIND, b'{"tenant_id":"acme"}', None),
    (BIND, b'{"tenant_id":"globex"}', STRANGER),
    (BIND, b'{"tenant_id":"ACME"}', STRANGER),
    (BIND, b'{"tenant_id":""}', STRANGER),
    (BIND, b'{"tenant_id":null}', STRANGER),
    (BIND, b'{"tenant_id":["acme"]}', STRANGER),
    (BIND, b'{"tenant_id":"acme","Tenant_ID":"globex"}', STRANGER),
    (BIND, b'{"Tenant_ID":"acme"}', NAMELESS),
    (BIND, b"{}", NAMELESS),
    (BIND, b"[]", NAMELESS),
    (BIND, b'[{"tenant_id":"acme"}]', NAMELESS),
    (OPTIONAL, b"{}", None),
    (OPTIONAL, b'{"a":[{"id":"acme"},{}]}', None),
    (OPTIONAL, b'{"a":[{"id":"acme"},{"id":"globex"}]}', STRANGER),
    (PROJECT, b'{"p":"web"}', None),
    (PROJECT, b'{"p":"other"}', OTHER_PROJECT),
    (PROJECT, b'{"p":7}', OTHER_PROJECT),
    (FORBID, b'{"query":{"sql":1}}', None),
    (FORBID, b'{"db_id":1}', (FORBIDDEN, "the body has a member db_id")),
    (FORBID, b'{"a":[{"DB_ID":1}]}', (FORBIDDEN, "the body has a member db_id")),
    (FORBID, rb'{"\u0064b_id":1}', (FORBIDDEN, "the body has a member db_id")),
    (FORBID, rb'{"db_id\u0000":1}', (FORBIDDEN, "the body has a member db_id")),
    (FORBID, b'{"a":{"__proto__":{}}}', (FORBIDDEN, "the body has a member __proto__")),
    (FORBID, b'{"query":{"raw":1}}', (FORBIDDEN, "the body has the member /query/raw")),
    (FORBID, b'{"raw":1}', None),
    (KEYS, b'{"files":[{"key":"tenants/acme/a"},{}]}', None),
    (KEYS, b"{}", None),
    (KEYS, b'{"files":[{"key":"tenants/acme/a"},{"key":"tenants/evil/a"}]}', OUTSIDE),
    (KEYS, b'{"files":[{"Key":"tenants/evil/a"}]}', OUTSIDE),
    (ITEMS, b"[1,2]", None),
    (ITEMS, b"[1,2,3]", (LARGE, "the batch has more than 2 items")),
    (ITEMS, b"{}", (UNFIT, "the body has no batch where it must")),
    (NAMED_ITEMS, b'{"items":[1,2]}', None),
    (NAMED_ITEMS, b'{"items":[1,2,3]}', (LARGE, "the batch has more than 2 items")),
    (NAMED_ITEMS, b'{"items":[1],"Items":[1,2,3]}', (LARGE, "the batch has more than 2 items")),
    (NAMED_ITEMS, b'{"items":{}}', (UNFIT, "the body has no batch where it must")),
    (NAMED_ITEMS, b"[1]", (UNFIT, "the body has no batch where it must")),
    (SCHEMA, b'{"id":1}', None),
    (SCHEMA, b'{"ID":1}', (UNFIT, "the body breaks the schema of the route")),
    (STRICT, b'{"a":["12345"]}', None),
    (STRICT, b'{"a":[[]]}', (BAD, "the JSON is nested too deep")),
    (STRICT, b'{"a":"123456"}', (BAD, "a string of the JSON is too long")),
    (STRICT, b'{"a":1,"a":2}', (BAD, "an object of the JSON has a member twice")),
]


@pytest.mark.control("TN-2", "TN-5", "TN-7", "RQ-2", "RQ-3")
@pytest.mark.parametrize(("keys", "content", "refusal"), OF_JSON)
def test_rules_about_json(
    keys: Keys, content: bytes, refusal: tuple[RefusalCode, str] | None
) -> None:
    assert said(judged(a_step(keys), content)) == refusal
    # A body that is judged elsewhere is judged alike.
    padded = content + b" " * INLINE_BYTES
    assert said(judged(a_step(keys), padded)) == refusal


def test_a_caller_of_one_project_names_that_one() -> None:
    step = a_step(PROJECT)
    assert judged(step, b'{"p":"app"}', project="app") is PASS
    assert said(judged(step, b'{"p":"web"}', project="app")) == OTHER_PROJECT


def test_a_caller_without_a_tenant_names_none() -> None:
    assert said(judged(a_step(BIND), b'{"tenant_id":""}', tenant=False)) == STRANGER
    outcome = judged(a_step(KEYS), b'{"files":[{"key":"tenants//a"}]}', tenant=False)
    assert said(outcome) == (FORBIDDEN, "the caller has no tenant")


def test_a_tenant_of_another_can_look_like_an_unknown_route() -> None:
    outcome = judged(a_step(BIND, 404), b'{"tenant_id":"globex"}')
    assert outcome == Refuse(RefusalCode.NOT_FOUND, STRANGER[1], hides_route=True)


def test_a_refusal_names_the_places() -> None:
    outcome = judged(a_step(SCHEMA), b"{}")
    assert isinstance(outcome, Refuse)
    assert outcome.faults == (Fault("", "lacks the member id"),)


FORM_KEYS: Keys = {
    "bind": {"form": {"org": "tenant", "p": "project"}, "optional": ["p"]},
    "forbid": {"form": ["db_id"]},
    "storage_keys": {"form": ["key"]},
    "body": {"form": {"fields": 4}},
}


@pytest.mark.control("TN-2", "TN-5", "TN-7")
@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"org=acme", None),
        (b"org=acme&p=web&key=tenants/acme/a", None),
        (b"org=globex", STRANGER),
        (b"org=acme&org=globex", STRANGER),
        (b"org=acme&ORG=globex", STRANGER),
        (b"org=acme&org[]=globex", STRANGER),
        (b"a=1;org=globex&org=acme", STRANGER),
        (b"p=web", NAMELESS),
        (b"org=acme&p=other", OTHER_PROJECT),
        (b"org=acme&db%5Fid=1", (FORBIDDEN, "the form has the field db_id")),
        (b"org=acme&key=tenants/evil/a", OUTSIDE),
        (
            b"org=acme&key=tenants/acme/%252e%252e/a",
            (FORBIDDEN, "a storage key has segments that lead elsewhere"),
        ),
        (b"org=acme&a&b&c&d", (LARGE, "the form has too many fields")),
        (b"org=%", (BAD, "the form is malformed: malformed percent-encoding in the query")),
    ],
)
def test_rules_about_forms(content: bytes, refusal: tuple[RefusalCode, str] | None) -> None:
    step = a_step(FORM_KEYS)
    assert said(judged(step, content, FORM)) == refusal


def test_rules_about_forms_in_parts() -> None:
    step = a_step(FORM_KEYS)
    for tenant, refusal in (("acme", None), ("globex", STRANGER)):
        content = f'--B\r\nContent-Disposition: form-data; name="org"\r\n\r\n{tenant}\r\n--B--'
        assert said(judged(step, content.encode(), PARTS)) == refusal
    # A file is no name of a tenant.
    file = b'--B\r\nContent-Disposition: form-data; name="org"; filename="a"\r\n\r\nacme\r\n--B--'
    files = {**FORM_KEYS, "body": {"form": {"files": 1}}}
    assert said(judged(a_step(files), file, PARTS)) == STRANGER


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(
    ("kind", "more", "refusal"),
    [
        (b"text/plain", (), NO_TYPE),
        (b"application/json; charset", (), NO_TYPE),
        (FORM, (), NO_TYPE),
        (PARTS, (), NO_TYPE),
        (b"application/json; charset=utf-16", (), (UNREAD, "the charset of the body is not UTF-8")),
        (
            JSON,
            (b"Content-Encoding: br",),
            (UNREAD, "the content coding of the body cannot be undone"),
        ),
        (
            JSON,
            (b"Content-Encoding: gzip", b"Content-Encoding: gzip"),
            (UNREAD, "the content coding of the body cannot be undone"),
        ),
        (JSON, (b"Content_Type: application/x-www-form-urlencoded",), RESPELT),
        (JSON, (b"CONTENT.TYPE: text/plain",), RESPELT),
        (JSON, (b"Content_Encoding: gzip",), RESPELT),
        (JSON, (b"Content-Typ: text/plain", b"Accept_Typing: x"), None),
        (b"application/vnd.x+json", (), None),
    ],
)
def test_what_the_head_says_may_be_enough(
    kind: bytes, more: tuple[bytes, ...], refusal: tuple[RefusalCode, str] | None
) -> None:
    assert said(judged(a_step(SCHEMA), b'{"id":1}', kind, *more)) == refusal


@pytest.mark.control("TN-2")
@pytest.mark.parametrize("kind", [FORM, PARTS])
@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_no_form_is_packed(kind: bytes, coding: bytes) -> None:
    step, line = a_step({"body": {"form": {}}}), b"Content-Encoding: " + coding
    packed = (UNREAD, "the content coding of the body is none that forms may have")
    assert said(judged(step, b"", kind, line)) == packed
    assert said(judged(step, b"", kind, b"Content-Encoding: identity")) != packed


def test_a_form_needs_a_boundary_that_all_readers_know() -> None:
    step = a_step({"body": {"form": {}}})
    for kind in (b"multipart/form-data", b'multipart/form-data; boundary="a b"'):
        assert said(judged(step, b"", kind)) == (
            BAD,
            "the form names no boundary, or an unsafe one",
        )


def test_a_body_without_a_type_is_not_read() -> None:
    assert said(a_step(ITEMS).decide(a_request())) == NO_TYPE  # type: ignore[arg-type]  # it asks nothing


@pytest.mark.parametrize("size", [0, CHUNKED])
@pytest.mark.parametrize(
    ("keys", "method", "is_refused"),
    [
        (SCHEMA, b"POST", True),
        (SCHEMA, b"PATCH", True),
        (SCHEMA, b"GET", False),
        (FREE, b"POST", False),
        (FREE_BUT_BOUND, b"POST", True),
        (BIND, b"PUT", True),
        (FORM_KEYS, b"POST", True),
        (OPTIONAL, b"POST", False),
        (ITEMS, b"POST", False),
        (FORBID, b"POST", False),
    ],
)
def test_no_body_breaks_rules_that_want_one(
    keys: Keys, method: bytes, size: int, *, is_refused: bool
) -> None:
    kind = FORM if keys is FORM_KEYS else JSON
    outcome = judged(a_step(keys), b"", kind, method=method, length=size)
    assert said(outcome) == (
        (BAD, "there is no body, and the rules want one") if is_refused else None
    )


def test_a_request_that_could_not_be_read_has_no_body() -> None:
    assert a_step(ITEMS).decide(an_unread_exchange()) is PASS


def test_who_watches_a_batch_refuses_it_before_it_ends() -> None:
    asked = a_step(ITEMS).decide(a_request(b"Content-Type: " + JSON))
    assert isinstance(asked, Ask)
    assert isinstance(asked.question, ReadBody)
    watch = asked.question.watch
    assert watch is not None
    assert watch.objection(b"[1,2") is None
    assert watch.objection(b",") == Refuse(LARGE, "the batch has more than 2 items")


@pytest.mark.parametrize("more", [(b"Content-Encoding: gzip",), ()])
def test_nobody_watches_what_cannot_be_read_as_it_comes(more: tuple[bytes, ...]) -> None:
    keys = ITEMS if more else {"body": {"form": {}}}
    asked = a_step(keys).decide(a_request(b"Content-Type: " + (JSON if more else FORM), *more))
    assert isinstance(asked, Ask)
    assert isinstance(asked.question, ReadBody)
    assert asked.question.watch is None


def test_what_was_found_while_it_came_refuses_it() -> None:
    step, exchange = a_step(ITEMS), a_request(b"Content-Type: " + JSON)
    refusal = Refuse(RefusalCode.OVERLOADED, "no room")
    asked = step.decide(exchange)
    assert isinstance(asked, Ask)
    assert step.resume(exchange, asked.question, refusal) is refusal


@pytest.mark.parametrize(
    ("body", "coding", "is_elsewhere"),
    [
        (Collected(INLINE_BYTES, b" " * INLINE_BYTES), Coding.IDENTITY, False),
        (Collected(INLINE_BYTES + 1, b" " * (INLINE_BYTES + 1)), Coding.IDENTITY, True),
        (Collected(10, None, 7), Coding.IDENTITY, True),
        (Collected(INLINE_BYTES // 100 + 1, b" " * 400), Coding.GZIP, True),
    ],
)
def test_what_takes_long_is_judged_elsewhere(
    body: Collected, coding: Coding, *, is_elsewhere: bool
) -> None:
    step = a_step(ITEMS)
    question = ReadBody(About(Form.JSON, coding))
    outcome = step.resume(a_request(b"Content-Type: " + JSON), question, body)
    assert isinstance(outcome, Ask) == is_elsewhere


def test_a_compressed_body_is_judged_by_what_is_in_it() -> None:
    step, gzipped = a_step(ITEMS), b"Content-Encoding: gzip"
    assert judged(step, gzip.compress(b"[1,2]"), JSON, gzipped) is PASS
    for document, refusal in (
        (b"[1,2,3]", (LARGE, "the batch has more than 2 items")),
        (b" " * 2_000_000, (LARGE, "the body unpacks to more than it may")),
    ):
        assert said(judged(step, gzip.compress(document), JSON, gzipped)) == refusal


def test_a_reading_without_a_form_reads_none() -> None:
    policy = a_guarded_policy(**FORM_KEYS)  # type: ignore[arg-type]  # keys by name
    judge = Judge(reading_of(policy, policy.routes[0]))
    finding = judge.judge(b"{}", About(Form.JSON))
    assert finding == Finding(UNREAD, "no rule reads bodies of this type")


def test_a_route_without_rules_has_no_step() -> None:
    policy = a_guarded_policy(body={"max": "1KB"})
    assert body_rules(policy, policy.routes[0], lambda _, make: make()) is None


def test_a_schema_may_stand_in_the_policy_for_all_routes() -> None:
    policy = a_guarded_policy(sections={"body": {"schema": {"type": "object"}}})
    reading = reading_of(policy, policy.routes[0])
    assert json.loads(reading.schema) == {"type": "object"}
