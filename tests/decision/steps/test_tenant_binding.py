"""A tenant or project that the request names is the caller's own, in every spelling, or refused."""

import pytest

from sidecar.decision.steps.tenant_binding import TenantBinding
from sidecar.model.identity import ProjectRecord
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_principal, a_tenant, refusal_of
from tests.decision.steps.known import a_guarded_policy, a_request_of

ACME = a_tenant(projects={"web": ProjectRecord(), "app": ProjectRecord()})
QUERY = {"query": {"org": "tenant", "project": "project"}}


def a_step(path: str = "/**", mismatch: int = 403, **keys: object) -> TenantBinding | None:
    policy = a_guarded_policy(path, {"tenant_mismatch": mismatch}, **keys)
    return TenantBinding.compile(policy, policy.routes[0])


def judged(
    step: TenantBinding | None,
    target: str,
    *,
    host: bytes | None = b"acme.example",
    project: str | None = None,
    tenant: bool = True,
) -> Outcome:
    assert step is not None
    exchange = a_request_of(a_principal("acme", project=project), target, host=host)
    exchange.tenant = ACME if tenant else None
    return step.decide(exchange)


@pytest.mark.control("TN-2")
@pytest.mark.control("AZ-5")
@pytest.mark.parametrize(
    ("target", "is_own"),
    [
        pytest.param("/o/acme", True, id="own"),
        pytest.param("/o/globex", False, id="of others"),
        pytest.param("/o/ACME", False, id="case"),
        pytest.param("/o/acme.", False, id="a dot behind"),
        pytest.param("/o/%61cme", False, id="still escaped after decoding"),
        pytest.param("/o/\u0430cme", False, id="a Cyrillic letter"),
        pytest.param("/o/acme ", False, id="a blank behind"),
        pytest.param("/o/", False, id="empty"),
    ],
)
def test_a_tenant_in_the_path_is_the_caller_s(target: str, *, is_own: bool) -> None:
    path = target if target != "/o/" else "/o//"
    for name in ("tenant", "org"):
        outcome = judged(a_step(f"/o/{{{name}}}"), path)
        assert refusal_of(outcome) == (None if is_own else RefusalCode.FORBIDDEN)


@pytest.mark.control("TN-2")
@pytest.mark.parametrize(
    ("query", "is_own"),
    [
        pytest.param("", True, id="no query"),
        pytest.param("?", True, id="an empty query"),
        pytest.param("?a=b&&=", True, id="other parameters"),
        pytest.param("?q=%zz%ff", True, id="another value that cannot be decoded"),
        pytest.param("?org=acme", True, id="own"),
        pytest.param("?org=acme&org=acme", True, id="own twice"),
        pytest.param("?%6F%72%67=%61cme", True, id="own, escaped"),
        pytest.param("?orga=globex&borg=globex&org_id=globex", True, id="other names"),
        pytest.param("?org=globex", False, id="of others"),
        pytest.param("?org=acme&org=globex", False, id="the second of others"),
        pytest.param("?org=globex&org=acme", False, id="the first of others"),
        pytest.param("?org=", False, id="empty"),
        pytest.param("?org", False, id="no value"),
        pytest.param("?org=acme,globex", False, id="a list"),
        pytest.param("?o%72g=globex", False, id="name escaped"),
        pytest.param("?org=%67lobex", False, id="value escaped"),
        pytest.param("?org=%2561cme", False, id="value escaped twice"),
        pytest.param("?%256Frg=globex", False, id="name escaped twice"),
        pytest.param("?org=acme%00", False, id="NUL in the value"),
        pytest.param("?org%00=globex", False, id="NUL in the name"),
        pytest.param("?org=acme+", False, id="plus is a blank"),
        pytest.param("?org=acme%20", False, id="a blank"),
        pytest.param("?org=Acme", False, id="case of the value"),
        pytest.param("?ORG=globex", False, id="case of the name"),
        pytest.param("?org[]=globex", False, id="a list to PHP"),
        pytest.param("?org%5B0%5D=globex", False, id="a list to Rails"),
        pytest.param("?org.id=globex", False, id="a member to Spring"),
        pytest.param("?+org=globex", False, id="a blank before"),
        pytest.param("?x=1;org=globex", False, id="semicolon for &"),
        pytest.param("?org=acme;org=globex", False, id="semicolon behind one's own"),
        pytest.param("?org=acme;x=1", False, id="semicolon, two readings of the value"),
        pytest.param("?org=%ff", False, id="not UTF-8"),
        pytest.param("?org=%c1%a1cme", False, id="overlong"),
        pytest.param("?org=acme%", False, id="malformed escape"),
        pytest.param("?%=1", False, id="malformed escape in a name"),
        pytest.param("?%ff=1", False, id="name not UTF-8"),
    ],
)
def test_a_tenant_in_the_query_is_the_caller_s_in_every_spelling(
    query: str, *, is_own: bool
) -> None:
    outcome = judged(a_step(bind=QUERY), "/x" + query)
    assert refusal_of(outcome) == (None if is_own else RefusalCode.FORBIDDEN)


@pytest.mark.control("TN-2")
@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        (b"acme.example", True),
        (b"acme.example.", True),
        (b"acme.example:8443", True),
        (b"acme", True),
        (b"acme:80", True),
        (b"globex.example", False),
        (b"www.acme.example", False),
        (b".acme", False),
        (b"[::1]", False),
        (b"", False),
        (None, False),
    ],
)
def test_a_tenant_in_the_host_is_the_caller_s(host: bytes | None, *, is_own: bool) -> None:
    outcome = judged(a_step(bind={"host": "tenant"}), "/", host=host)
    assert refusal_of(outcome) == (None if is_own else RefusalCode.FORBIDDEN)


@pytest.mark.control("TN-2")
@pytest.mark.parametrize("target", ["/acme?org=globex", "/globex?org=acme"])
def test_all_places_must_agree(target: str) -> None:
    step = a_step("/{tenant}", bind=QUERY)
    assert refusal_of(judged(step, target)) is RefusalCode.FORBIDDEN
    assert judged(step, "/acme?org=acme") is PASS


@pytest.mark.control("AN-9")
@pytest.mark.control("AZ-5")
@pytest.mark.parametrize(
    ("own", "named", "reason"),
    [
        pytest.param(None, "web", None, id="any project of the tenant"),
        pytest.param("web", "web", None, id="the key's project"),
        pytest.param("web", "app", "other than the credential's", id="another of the tenant"),
        pytest.param("web", "WEB", "other than the credential's", id="case"),
        pytest.param(None, "shop", "not the tenant's", id="a project of others"),
        pytest.param("shop", "shop", "not the tenant's", id="the key's, but not the tenant's"),
    ],
)
@pytest.mark.parametrize("where", ["path", "query"])
def test_a_project_is_the_key_s_and_the_tenant_s(
    own: str | None, named: str, reason: str | None, where: str
) -> None:
    step = a_step("/p/{project}") if where == "path" else a_step(bind=QUERY)
    target = f"/p/{named}" if where == "path" else f"/p?project={named}"
    outcome = judged(step, target, project=own)
    if reason is None:
        assert outcome is PASS
        return
    assert isinstance(outcome, Refuse)
    assert reason in outcome.reason


@pytest.mark.parametrize("path", ["/o/{tenant}", "/o/{project}"])
def test_a_caller_without_a_tenant_passes_no_bound_route(path: str) -> None:
    outcome = judged(a_step(path), "/o/acme", tenant=False)
    assert isinstance(outcome, Refuse)
    assert "the caller has no tenant" in outcome.reason


def test_a_route_that_names_neither_has_no_such_step() -> None:
    assert a_step("/o/{order}/*") is None


@pytest.mark.control("TN-2")
@pytest.mark.parametrize("target", ["/globex", "/acme?%=1"])
def test_a_mismatch_can_look_like_an_unknown_route(target: str) -> None:
    outcome = judged(a_step("/{tenant}", 404, bind=QUERY), target)
    assert isinstance(outcome, Refuse)
    assert (outcome.code, outcome.lines) == (RefusalCode.NOT_FOUND, ())
    assert outcome.hides_route
    assert not outcome.has_floor
    assert outcome.reason != "no route matches"
